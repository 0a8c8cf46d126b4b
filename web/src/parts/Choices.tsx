/** A row of links of which one is chosen, such as a filter. */
export function Choices({ label, items }: { label: string; items: { text: string; href: string; chosen: boolean }[] }) {
  return (
    <nav aria-label={label} className="choices">
      {items.map((item) => (
        <a key={item.text} href={item.href} aria-current={item.chosen ? "true" : undefined}>
          {item.text}
        </a>
      ))}
    </nav>
  );
}
