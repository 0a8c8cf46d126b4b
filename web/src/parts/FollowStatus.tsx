import type { FollowStatus as Status } from "../api/follow";

const WORDS: Record<Status, string> = {
  connecting: "connecting…",
  live: "live",
  reconnecting: "connection lost, trying again…",
  ended: "complete",
  failed: "stopped",
};

/** Whether the time line is still being written. */
export function FollowStatus({ status }: { status: Status }) {
  return (
    <span role="status" className={`follow follow-${status}`}>
      {WORDS[status]}
    </span>
  );
}
