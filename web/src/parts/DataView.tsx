import { formatJson, scalarText } from "../api/json";

const DEEPEST = 3;

/** A value for people: names and values as long as it is simple, JSON where it is not. */
export function DataView({ value, depth = 0 }: { value: unknown; depth?: number }) {
  if (value === null || value === undefined) return <span className="quiet">nothing</span>;
  if (typeof value !== "object") return <span className="value">{scalarText(value)}</span>;
  if (Array.isArray(value)) return <ListView items={value} />;
  const entries = Object.entries(value);
  if (entries.length === 0 || depth >= DEEPEST) return <JsonText value={value} />;
  return (
    <dl className="data">
      {entries.map(([name, inner]) => (
        <div key={name} className={isRecord(inner) ? "nested" : undefined}>
          <dt>{name}</dt>
          <dd>
            <DataView value={inner} depth={depth + 1} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function isRecord(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
}

function ListView({ items }: { items: readonly unknown[] }) {
  if (items.length === 0) return <span className="quiet">none</span>;
  if (items.length > 20 || items.some((item) => typeof item === "object")) return <JsonText value={items} />;
  return <span className="value">{items.map(scalarText).join(", ")}</span>;
}

/** The exact JSON of a value. */
export function JsonText({ value }: { value: unknown }) {
  return (
    <pre className="json" tabIndex={0}>
      {formatJson(value)}
    </pre>
  );
}
