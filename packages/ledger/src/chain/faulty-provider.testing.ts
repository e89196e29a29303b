import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a provider makes of one question: null lets it through to the chain behind it. */
export type Fault = (question: { readonly method: string; readonly params: readonly unknown[] }) => FaultyAnswer | null;

export type FaultyAnswer =
  /** The chain's answer is thrown away, or the question never arrives. */
  | { readonly kind: 'drop' }
  | { readonly kind: 'hang' }
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  /** Asks the chain, and changes what it says. */
  | { readonly kind: 'change'; readonly change: (result: unknown) => unknown }
  /** Tells the chain, and nobody that it was told. */
  | { readonly kind: 'lose-answer' };

/** A provider in front of a real chain that fails as a test wants. */
export class FaultyProvider implements AsyncDisposable {
  readonly #behind: string;
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  fault: Fault = () => null;
  /** How often each method was asked. */
  readonly asked = new Map<string, number>();

  private constructor(behind: string) {
    this.#behind = behind;
  }

  static async start(behind: string, fault: Fault = () => null): Promise<FaultyProvider> {
    const provider = new FaultyProvider(behind);
    provider.fault = fault;
    provider.#server.listen(0, '127.0.0.1');
    await once(provider.#server, 'listening');
    return provider;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`; // listens on a port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer); // no encoding is set
    const body = Buffer.concat(chunks).toString();
    const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: unknown[] }; // our client's
    this.asked.set(method, (this.asked.get(method) ?? 0) + 1);
    const answer = this.fault({ method, params });
    const send = (value: unknown) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    switch (answer?.kind) {
      case 'drop':
        return void response.destroy();
      case 'hang':
        return;
      case 'status':
        return void response.writeHead(answer.status).end('no');
      case 'text':
        return void response.end(answer.text);
      case 'result':
        return void send({ jsonrpc: '2.0', id, result: answer.result });
      case 'error':
        return void send({ jsonrpc: '2.0', id, error: { code: answer.code, message: answer.message } });
    }
    const asked = await fetch(this.#behind, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    }).catch(() => null);
    if (asked === null || answer?.kind === 'lose-answer') return void response.destroy();
    const found = (await asked.json()) as { result?: unknown }; // the chain's
    send(answer?.kind === 'change' ? { ...found, result: answer.change(found.result) } : found);
  }
}
