/** What an attempt cost: of the sites the mean of those who stayed to the end, of the server all. */
export interface Cost {
  readonly clientCpuMs: number;
  readonly serverCpuMs: number;
  /** The slowest site's steps and the server's, were each site a machine of its own. */
  readonly wallMs: number;
  readonly uploadBytes: number;
  /** What a site sends and gets. */
  readonly totalBytes: number;
}

interface Party {
  cpuMs: number;
  wallMs: number;
  upBytes: number;
  downBytes: number;
}

/** Adds up what each party does, one after the other in this process. */
export class Meter {
  readonly #clients: Party[];
  readonly #server: Party = { cpuMs: 0, wallMs: 0, upBytes: 0, downBytes: 0 };

  constructor(clients: number) {
    this.#clients = Array.from({ length: clients }, () => ({ cpuMs: 0, wallMs: 0, upBytes: 0, downBytes: 0 }));
  }

  client<Value>(index: number, work: () => Promise<Value> | Value): Promise<Value> {
    return timed(this.#client(index), work);
  }

  server<Value>(work: () => Promise<Value> | Value): Promise<Value> {
    return timed(this.#server, work);
  }

  up(index: number, bytes: Uint8Array): void {
    this.#client(index).upBytes += bytes.length;
  }

  down(index: number, bytes: Uint8Array): void {
    this.downBytes(index, bytes.length);
  }

  downBytes(index: number, count: number): void {
    this.#client(index).downBytes += count;
  }

  /** Of the `stayed` sites that sent most: whoever went sent no vector. */
  cost(stayed: number): Cost {
    const clients = [...this.#clients].sort((one, other) => other.upBytes - one.upBytes).slice(0, stayed);
    const mean = (of: (party: Party) => number) => clients.reduce((sum, party) => sum + of(party), 0) / clients.length;
    return {
      clientCpuMs: mean(({ cpuMs }) => cpuMs),
      serverCpuMs: this.#server.cpuMs,
      wallMs: Math.max(...clients.map(({ wallMs }) => wallMs)) + this.#server.wallMs,
      uploadBytes: mean(({ upBytes }) => upBytes),
      totalBytes: mean(({ upBytes, downBytes }) => upBytes + downBytes),
    };
  }

  #client(index: number): Party {
    return this.#clients[index] as Party;
  }
}

/** Processor time of all threads of this process: collecting garbage counts for whoever works meanwhile. */
async function timed<Value>(party: Party, work: () => Promise<Value> | Value): Promise<Value> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const result = work();
  const value = result instanceof Promise ? await result : result;
  const used = process.cpuUsage(cpu);
  party.wallMs += performance.now() - start;
  party.cpuMs += (used.user + used.system) / 1000;
  return value;
}
