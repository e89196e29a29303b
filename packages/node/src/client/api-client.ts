import { Condition, errorCode } from '@pulsemesh/base';
import type {
  AlertView,
  LiveEvent,
  NetworkView,
  Overview,
  PatientInput,
  PatientView,
  RelaySessionView,
  RelayTransport,
} from '../api/types.ts';

/** Nobody answers at the gateway's address. Retryable. */
export class GatewayUnreachableError extends Condition {
  override readonly name = 'GatewayUnreachableError';
  constructor(url: string, cause: unknown) {
    super('gateway-unreachable', `no Pulsemesh answers at ${url}`, { facts: { url }, retryable: true, cause });
  }
}

/** The gateway answered with an error: its own code and sentence. */
export class GatewayRefusedError extends Condition {
  override readonly name = 'GatewayRefusedError';
  constructor(status: number, code: string, message: string) {
    super(code, message, { facts: { status }, retryable: status >= 500 });
  }
}

export interface ApiClientOptions {
  /** `http://host:port`, without a path. */
  readonly url: string;
  readonly token: string;
  /** Longest wait for an answer; default 10,000. */
  readonly timeoutMs?: number;
}

/** Bytes of one event at most; a longer one ends the stream. */
const eventBytesMax = 8 * 1024 * 1024;

/**
 * The gateway's HTTP API for programs.
 * Every call throws {@link GatewayUnreachableError} or {@link GatewayRefusedError}.
 */
export class ApiClient {
  readonly #options: ApiClientOptions;

  constructor(options: ApiClientOptions) {
    this.#options = options;
  }

  overview(): Promise<Overview> {
    return this.#json('GET', '/api/v1/overview');
  }

  network(): Promise<NetworkView> {
    return this.#json('GET', '/api/v1/network');
  }

  async patients(): Promise<readonly PatientView[]> {
    return (await this.#json<{ patients: readonly PatientView[] }>('GET', '/api/v1/patients')).patients;
  }

  async alerts(): Promise<readonly AlertView[]> {
    return (await this.#json<{ alerts: readonly AlertView[] }>('GET', '/api/v1/alerts')).alerts;
  }

  registerPatient(input: PatientInput): Promise<PatientView> {
    return this.#json('POST', '/api/v1/patients', input);
  }

  updatePatient(subject: string, input: PatientInput): Promise<PatientView> {
    return this.#json('PUT', `/api/v1/patients/${encodeURIComponent(subject)}`, input);
  }

  acknowledge(alertId: string, by: string): Promise<AlertView> {
    return this.#json('POST', `/api/v1/alerts/${encodeURIComponent(alertId)}/acknowledge`, { by });
  }

  moveRelay(peer: string, relay: string, transport: RelayTransport): Promise<RelaySessionView> {
    const path = `/api/v1/network/peers/${encodeURIComponent(peer)}/relays/${encodeURIComponent(relay)}/move`;
    return this.#json('POST', path, { transport });
  }

  async metrics(): Promise<string> {
    return (await this.#fetch('GET', '/metrics')).text();
  }

  /** One request of the API, for clients of its parts. The answer is our own gateway's. */
  call<T>(method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown): Promise<T> {
    return this.#json(method, path, body);
  }

  /** The text of a download. */
  async download(path: string): Promise<string> {
    return (await this.#fetch('GET', path)).text();
  }

  /** Likewise, for what is said with a body. */
  async downloadFor(path: string, body: unknown): Promise<string> {
    return (await this.#fetch('POST', path, body)).text();
  }

  /** Live events until the signal aborts or the gateway ends the stream. */
  async *live(signal: AbortSignal): AsyncGenerator<LiveEvent, void, undefined> {
    const response = await this.#fetch('GET', '/api/v1/live', undefined, signal);
    const decoder = new TextDecoder();
    let rest = '';
    // The body of an answer to `fetch` is there unless the status forbids one.
    for await (const chunk of response.body ?? []) {
      const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? '';
      if (rest.length > eventBytesMax)
        throw new GatewayRefusedError(200, 'event-too-long', 'the gateway sent an event without end');
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data !== undefined) yield JSON.parse(data) as LiveEvent; // our own gateway's, see api/types.ts
      }
    }
  }

  async #json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.#fetch(method, path, body);
    return (await response.json()) as T; // our own gateway's, see api/types.ts
  }

  async #fetch(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    const { url, token, timeoutMs = 10_000 } = this.#options;
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      signal: signal ?? AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch((error: unknown) => {
      if (signal?.aborted) throw signal.reason;
      throw new GatewayUnreachableError(url, error);
    });
    if (!response.ok) throw await refusal(response);
    return response;
  }
}

async function refusal(response: Response): Promise<GatewayRefusedError> {
  const said: unknown = await response.json().catch(() => null);
  const message = typeof said === 'object' && said !== null && 'message' in said ? String(said.message) : '';
  return new GatewayRefusedError(response.status, errorCode(said), message || `it answered ${response.status}`);
}
