/** What a request answers: the body is read up to a limit. */
export interface FetchAnswer {
  readonly status: number;
  /** @throws {RangeError} past `bytesMax`. */
  bytes(bytesMax: number): Promise<Uint8Array>;
}

/** One HTTP request. Whoever goes through a proxy, or through a relay, gives their own. Rejects when there is no answer. */
export type BoardFetch = (
  url: string,
  init: { readonly method: 'GET' | 'POST'; readonly body?: Uint8Array; readonly signal: AbortSignal },
) => Promise<FetchAnswer>;

/** Requests by the platform's own `fetch`: straight to the server. Redirections are not followed. */
export const directFetch: BoardFetch = async (url, { method, body, signal }) => {
  const response = await fetch(url, {
    method,
    signal,
    redirect: 'manual',
    ...(body === undefined
      ? {}
      : { body: new Uint8Array(body), headers: { 'content-type': 'application/octet-stream' } }),
  });
  return answerOf(response);
};

/** A web-standard response as an answer. */
export function answerOf(response: Response): FetchAnswer {
  return { status: response.status, bytes: (bytesMax) => readBody(response, bytesMax) };
}

async function readBody(response: Response, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > bytesMax) throw new RangeError(`the answer is longer than ${bytesMax} bytes`);
    parts.push(part);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}
