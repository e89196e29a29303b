import { Condition } from '@pulsemesh/base';

/** What was sent is no head of an HTTP/1.x response. */
export class HttpHeadError extends Condition {
  override readonly name = 'HttpHeadError';
  constructor(what: string) {
    super('http-head', what);
  }
}

/** Status line and header fields of one response. */
export interface HttpHead {
  readonly status: number;
  /** False: HTTP/1.0, which keeps no connection unless it says so. */
  readonly isHttp11: boolean;
  /** All values of a field, in order; `name` in lower case. */
  values(name: string): readonly string[];
}

export const headFieldsMax = 100;

/**
 * Parses a response's head without its last empty line (RFC 9112 §4, §5), strictly: no folded lines, no bare CR or LF, no blank
 * before the colon, since a lenient reading is what response splitting lives on.
 * @throws {HttpHeadError}
 */
export function parseHttpHead(text: string): HttpHead {
  const [statusLine = '', ...lines] = text.split('\r\n');
  const match = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/.exec(statusLine);
  if (match === null) throw new HttpHeadError('the first line is not a status line');
  if (lines.length > headFieldsMax) throw new HttpHeadError(`more than ${headFieldsMax} header fields`);
  const fields = lines.map((line) => {
    const field = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\t\x20-\x7e\x80-\xff]*)$/.exec(line);
    if (field === null) throw new HttpHeadError('a header field is malformed');
    return { name: (field[1] ?? '').toLowerCase(), value: (field[2] ?? '').trimEnd() };
  });
  return {
    status: Number(match[2]),
    isHttp11: match[1] === '1',
    values: (name) => fields.filter((one) => one.name === name).map((one) => one.value),
  };
}

/** The length of a response's body as its head declares it. */
export type BodyLength =
  | { readonly kind: 'bytes'; readonly count: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'until-close' };

/** @throws {HttpHeadError} on lengths that contradict each other. */
export function bodyLengthOf(head: HttpHead): BodyLength {
  const codings = head.values('transfer-encoding');
  const lengths = new Set(head.values('content-length'));
  if (codings.length > 0) {
    if (lengths.size > 0) throw new HttpHeadError('both a length and a transfer coding');
    return codings.join(',').trim().toLowerCase() === 'chunked' ? { kind: 'chunked' } : { kind: 'until-close' };
  }
  const [length] = lengths;
  if (length === undefined) return { kind: 'until-close' };
  if (lengths.size > 1 || !/^\d{1,9}$/.test(length)) throw new HttpHeadError('the length of the body is not a number');
  return { kind: 'bytes', count: Number(length) };
}

/** True when the sender keeps the connection open after this response. */
export function keepsAlive(head: HttpHead): boolean {
  const tokens = [...head.values('connection'), ...head.values('proxy-connection')].join(',').toLowerCase();
  return tokens.includes('close') ? false : head.isHttp11 || tokens.includes('keep-alive');
}
