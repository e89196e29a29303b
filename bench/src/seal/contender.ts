/** One way of sealing 1 KiB: what is timed, each call a whole message. */
export interface Contender {
  readonly name: string;
  readonly seal: () => Promise<unknown> | unknown;
  /** Where messages have to be opened in order: seals one and opens it. */
  readonly open: () => Promise<unknown> | unknown;
}

export interface Timing {
  readonly sealUs: number;
  readonly openUs: number;
}

/** Microseconds of one call, over as many calls as fit in `forMs`, awaited one after the other. */
export async function timeOf(action: () => Promise<unknown> | unknown, forMs: number): Promise<number> {
  const start = performance.now();
  let calls = 0;
  let elapsedMs = 0;
  while (elapsedMs < forMs) {
    const result = action();
    // A promise costs a turn of the microtask queue: only those who need one pay for it.
    if (result instanceof Promise) await result;
    calls += 1;
    elapsedMs = performance.now() - start;
  }
  return (elapsedMs * 1000) / calls;
}

/** `rounds` timings of each, the contenders taking turns. */
export async function measureInTurn(
  contenders: readonly Contender[],
  options: { readonly rounds: number; readonly forMs: number },
  say: (text: string) => void,
): Promise<ReadonlyMap<string, readonly Timing[]>> {
  const timings = new Map<string, Timing[]>(contenders.map(({ name }) => [name, []]));
  for (const { seal, open } of contenders) {
    await timeOf(seal, options.forMs);
    await timeOf(open, options.forMs);
  }
  for (let round = 0; round < options.rounds; round += 1) {
    for (const { name, seal, open } of contenders) {
      const timing = { sealUs: await timeOf(seal, options.forMs), openUs: await timeOf(open, options.forMs) };
      timings.get(name)?.push(timing);
    }
    say(`round ${round + 1} of ${options.rounds}`);
  }
  return timings;
}
