import { memo, useMemo, useState } from "react";
import type { RunEvent } from "../api/types";
import { clock, duration, moment } from "../format/time";
import { type Row, fold, progressText } from "../journal/fold";
import { tone } from "../journal/outcome";
import { headline, summary } from "../journal/summary";
import { JsonText } from "./DataView";
import { Disclosure } from "./Disclosure";

const SHOWN_AT_ONCE = 300;

/** A journal from its beginning, one row an event; progress of a map is one row. */
export function Timeline({ events }: { events: readonly RunEvent[] }) {
  const [wanted, setWanted] = useState(SHOWN_AT_ONCE);
  const rows = useMemo(() => fold(events), [events]);
  const hidden = Math.max(0, rows.length - wanted);
  const began = events[0] ? Date.parse(events[0].at) : 0;
  return (
    <>
      {hidden > 0 && (
        <button type="button" className="plain" onClick={() => setWanted(wanted + SHOWN_AT_ONCE)}>
          Show earlier entries ({hidden})
        </button>
      )}
      <ol className="timeline">
        {rows.slice(hidden).map((row) => (
          <TimelineRow key={row.events[0].seq} row={row} size={row.events.length} began={began} />
        ))}
      </ol>
    </>
  );
}

interface RowProps {
  row: Row;
  /** Rows are made anew with every event; one has changed only if its size has. */
  size: number;
  began: number;
}

const TimelineRow = memo(ShownRow, (before, after) => before.size === after.size && before.began === after.began);

function ShownRow({ row, began }: RowProps) {
  const [first] = row.events;
  const last = row.events.at(-1) ?? first;
  const failed = row.progress !== undefined && row.progress.failed > 0;
  return (
    <li className={`entry tone-${failed ? "bad" : row.progress ? "outside" : tone(first)}`}>
      <div className="when">
        <time dateTime={last.at} title={moment(last.at)}>
          {clock(last.at)}
        </time>
        <span className="quiet">+{duration((Date.parse(last.at) - began) / 1000)}</span>
      </div>
      <div className="what">
        <Disclosure
          label={
            <>
              <strong>{row.progress ? "children" : headline(first.type)}</strong>{" "}
              <span>{row.progress ? progressText(row.progress) : summary(first)}</span>
            </>
          }
        >
          {() => <JsonText value={row.events.length === 1 ? first : row.events} />}
        </Disclosure>
      </div>
      <span className="seq quiet">{first === last ? first.seq : `${first.seq}–${last.seq}`}</span>
    </li>
  );
}
