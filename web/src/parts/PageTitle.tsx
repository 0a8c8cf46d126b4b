import { type ReactNode, useEffect, useRef } from "react";

/** The heading of a page. It takes the focus, so that a screen reader says where one has arrived. */
export function PageTitle({ name, children }: { name: string; children?: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${name} – Quarterdeck`;
    heading.current?.focus();
  }, [name]);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children ?? name}
    </h1>
  );
}
