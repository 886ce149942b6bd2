import type { ErrorCode, ErrorReply } from "./schema.js";

/**
 * The service's codes, those it may get later, and the client's own:
 *
 * - `network`: no reply came. Whether the service has done the call is not known.
 * - `timeout`: the same, after the time-out of a try.
 * - `unexpected_reply`: a reply that is not the service's JSON, such as a proxy's.
 */
export type Code =
  | ErrorCode
  | "network"
  | "timeout"
  | "unexpected_reply"
  | (string & {});

/** A call that failed. An abort by the caller's signal throws the signal's reason instead. */
export class CareersUsersError extends Error {
  override readonly name = "CareersUsersError";
  /** The HTTP status, or 0 without a reply. */
  readonly status: number;
  /** A stable word for programs. */
  readonly code: Code;
  /** Fields and their messages, or a sentence. */
  readonly details: ErrorReply["details"];
  /** The `X-Request-ID` of the reply, by which the service's log can be searched. */
  readonly requestId: string | undefined;
  /** The seconds of `Retry-After`, if the reply has it. */
  readonly retryAfter: number | undefined;

  constructor(
    status: number,
    code: Code,
    message: string,
    more: {
      details?: ErrorReply["details"];
      requestId?: string | undefined;
      retryAfter?: number | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.status = status;
    this.code = code;
    this.details = more.details ?? "";
    this.requestId = more.requestId;
    this.retryAfter = more.retryAfter;
  }
}
