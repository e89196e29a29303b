import { Condition } from '@pulsemesh/base/errors';
import type {
  AlertView,
  BoardAnswerView,
  LiveReading,
  NetworkView,
  Overview,
  PatientInput,
  PatientView,
  ProfileView,
  RelaySessionView,
  RelayTransport,
  WindowView,
} from '@pulsemesh/node/api';
import type { Decoder } from './decode.ts';
import * as shapes from './shapes.ts';

/** The server did not take the key (401, 403): asking again with the same one is useless. */
export class AccessRefusedError extends Condition {
  constructor() {
    super('web.access-refused', 'The server does not accept this access key.');
    this.name = 'AccessRefusedError';
  }
}

/** No answer: the server is away, or the network in between. */
export class UnreachableError extends Condition {
  constructor(cause: unknown) {
    super('web.unreachable', 'The server does not answer.', { retryable: true, cause });
    this.name = 'UnreachableError';
  }
}

/** The server understood and said no; the message is its own. */
export class RequestRefusedError extends Condition {
  constructor(status: number, message: string) {
    super('web.request-refused', message, { facts: { status }, retryable: status >= 500 || status === 429 });
    this.name = 'RequestRefusedError';
  }
}

/** Longest wait for one answer. */
export const requestTimeoutMs = 15_000;
/** A file is made of many records, each opened and checked. */
const downloadTimeoutMs = 120_000;

export interface ApiClientOptions {
  /** Where the API lives, without a slash at the end; '' is the page's own origin. */
  readonly baseUrl: string;
  readonly token: string;
}

/**
 * The gateway's HTTP API as functions. Every answer is decoded. Every call rejects with
 * {@link AccessRefusedError}, {@link UnreachableError}, {@link RequestRefusedError}, `UnexpectedShapeError`,
 * or the signal's reason.
 */
export class ApiClient {
  readonly #options: ApiClientOptions;
  readonly #fetch: typeof fetch;

  constructor(options: ApiClientOptions, dependencies: { readonly fetch: typeof fetch }) {
    this.#options = options;
    this.#fetch = dependencies.fetch;
  }

  /** Address of the event stream; an EventSource cannot send headers, so the key rides in the query. */
  get liveUrl(): string {
    return `${this.#options.baseUrl}/api/v1/live?token=${encodeURIComponent(this.#options.token)}`;
  }

  overview(signal?: AbortSignal): Promise<Overview> {
    return this.ask('/overview', shapes.overview, { signal });
  }

  async patients(signal?: AbortSignal): Promise<readonly PatientView[]> {
    return (await this.ask('/patients', shapes.patientList, { signal })).patients;
  }

  register(input: PatientInput): Promise<PatientView> {
    return this.ask('/patients', shapes.patientView, { method: 'POST', body: input });
  }

  change(subject: string, input: PatientInput): Promise<PatientView> {
    return this.ask(`/patients/${encodeURIComponent(subject)}`, shapes.patientView, { method: 'PUT', body: input });
  }

  /** Readings measured in [fromMs, untilMs), oldest first. */
  async readings(subject: string, span: Span, signal?: AbortSignal): Promise<readonly LiveReading[]> {
    const path = `/patients/${encodeURIComponent(subject)}/readings?${query(span)}`;
    return (await this.ask(path, shapes.readingList, { signal })).readings;
  }

  /** Windows that start in [fromMs, untilMs). */
  async windows(subject: string, span: Span, signal?: AbortSignal): Promise<readonly WindowView[]> {
    const path = `/patients/${encodeURIComponent(subject)}/windows?${query(span)}`;
    return (await this.ask(path, shapes.windowList, { signal })).windows;
  }

  async alerts(signal?: AbortSignal): Promise<readonly AlertView[]> {
    return (await this.ask('/alerts', shapes.alertList, { signal })).alerts;
  }

  /** Says that `by` has seen the alert. Repeating it changes nothing. */
  acknowledge(alertId: string, by: string): Promise<AlertView> {
    const path = `/alerts/${encodeURIComponent(alertId)}/acknowledge`;
    return this.ask(path, shapes.alertView, { method: 'POST', body: { by } });
  }

  /** Which board this gateway shows, if any. */
  boardPlace(signal?: AbortSignal): Promise<BoardAnswerView> {
    return this.ask('/board', shapes.boardAnswer, { signal });
  }

  /** The access key, for requests that are no JSON: the board's. */
  get token(): string {
    return this.#options.token;
  }

  network(signal?: AbortSignal): Promise<NetworkView> {
    return this.ask('/network', shapes.networkView, { signal });
  }

  /** Has a peer's session with a relay moved to another transport; ends when it runs there. */
  moveRelay(peerId: string, relay: string, transport: RelayTransport): Promise<RelaySessionView> {
    const path = `/network/peers/${encodeURIComponent(peerId)}/relays/${encodeURIComponent(relay)}/move`;
    return this.ask(path, shapes.relaySessionView, { method: 'POST', body: { transport } });
  }

  /** What this node is to consent: a home, a researcher's office, or neither. */
  profile(signal?: AbortSignal): Promise<ProfileView> {
    return this.ask('/profile', shapes.profileView, { signal });
  }

  /** A file that the server makes, as text, and what it calls it. */
  async download(path: string): Promise<{ readonly fileName: string; readonly type: string; readonly text: string }> {
    const { response, body } = await this.#send(path, { waitMs: downloadTimeoutMs }, (answer) => answer.text());
    const named = /filename="([\w.-]{1,128})"/.exec(response.headers.get('content-disposition') ?? '');
    const type = response.headers.get('content-type') ?? 'application/octet-stream';
    return { fileName: named?.[1] ?? 'pulsemesh-export', type, text: String(body) };
  }

  /** Any request of the API whose answer is JSON: for pages that are fetched when somebody goes there. */
  async ask<T>(path: string, decode: Decoder<T>, ask: Ask): Promise<T> {
    const { body } = await this.#send(path, ask, (answer) => answer.json().catch(() => null));
    return decode(body, path.split('?')[0] ?? path);
  }

  async #send(path: string, ask: Ask, read: (response: Response) => Promise<unknown>) {
    const timeout = AbortSignal.timeout(ask.waitMs ?? requestTimeoutMs);
    const headers: Record<string, string> = { authorization: `Bearer ${this.#options.token}` };
    if (ask.body !== undefined) headers['content-type'] = 'application/json';
    let response: Response;
    let body: unknown;
    try {
      response = await this.#fetch(`${this.#options.baseUrl}/api/v1${path}`, {
        method: ask.method ?? 'GET',
        headers,
        body: ask.body === undefined ? null : JSON.stringify(ask.body),
        signal: ask.signal ? AbortSignal.any([ask.signal, timeout]) : timeout,
        cache: 'no-store',
      });
      body = response.ok ? await read(response) : await response.json().catch(() => null);
    } catch (error) {
      if (ask.signal?.aborted) throw ask.signal.reason;
      throw new UnreachableError(error);
    }
    if (response.status === 401 || response.status === 403) throw new AccessRefusedError();
    if (!response.ok) throw new RequestRefusedError(response.status, refusalText(response.status, body));
    return { response, body };
  }
}

/** One request. */
export interface Ask {
  readonly method?: 'GET' | 'POST' | 'PUT';
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** Longest wait for the answer; default {@link requestTimeoutMs}. */
  readonly waitMs?: number;
}

export interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

function query(span: Span): string {
  return `fromMs=${Math.floor(span.fromMs)}&untilMs=${Math.ceil(span.untilMs)}`;
}

/** The server's own sentence where it gave one, as `{message}` or `{error: {message}}`. */
function refusalText(status: number, body: unknown): string {
  const inner = field(body, 'error');
  const message = field(inner, 'message') ?? field(body, 'message');
  return typeof message === 'string' && message !== '' ? message.slice(0, 300) : `The server answered ${status}.`;
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}
