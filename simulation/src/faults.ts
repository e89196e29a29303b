import { type Random, sleep } from '@pulsemesh/base';
import type { VirtualClock } from '@pulsemesh/base/testing';
import type { MemoryNetwork } from '@pulsemesh/network/testing';
import type { Machine } from './machine.ts';

/** Something that goes wrong at `atMs` and is mended `forMs` later. */
export type Fault =
  | { readonly kind: 'kill'; readonly machine: string; readonly atMs: number; readonly forMs: number }
  /** Two machines that do not reach each other; everybody else reaches both. */
  | {
      readonly kind: 'cut';
      readonly between: readonly [string, string];
      readonly atMs: number;
      readonly forMs: number;
    };

/** Draws `count` faults in the given time. */
export function drawFaults(
  options: { readonly count: number; readonly fromMs: number; readonly untilMs: number; readonly forMsMax: number },
  machines: readonly { readonly name: string }[],
  cuttable: readonly (readonly [string, string])[],
  random: Random,
): readonly Fault[] {
  const faults = Array.from({ length: options.count }, (): Fault => {
    const atMs = options.fromMs + random.integer(options.untilMs - options.fromMs);
    const forMs = 200 + random.integer(options.forMsMax - 200);
    const between = cuttable[random.integer(Math.max(1, cuttable.length))];
    if (between !== undefined && random.float() < 0.25) return { kind: 'cut', between, atMs, forMs };
    const machine = machines[random.integer(machines.length)] as { readonly name: string }; // never empty
    return { kind: 'kill', machine: machine.name, atMs, forMs };
  });
  return faults.sort((one, other) => one.atMs - other.atMs);
}

/** Lets the faults happen; resolves when all are mended. */
export async function playFaults(
  faults: readonly Fault[],
  dependencies: {
    readonly clock: VirtualClock;
    readonly network: MemoryNetwork;
    readonly machines: readonly Machine[];
    readonly note: (what: string) => void;
    /** A machine that does not start again. */
    readonly failed: (error: unknown) => void;
  },
): Promise<void> {
  const { clock, network, machines, note, failed } = dependencies;
  const cuts: (readonly [string, string])[] = [];
  const applyCuts = () => {
    network.heal();
    if (cuts.length === 0) return;
    // Each side of a cut is in every group but the other's: groups overlap, so all other pairs still meet.
    const pairs = machines.flatMap((one, index) =>
      machines
        .slice(index + 1)
        .filter((other) => !cuts.some((cut) => cut.includes(one.name) && cut.includes(other.name)))
        .map((other) => [one.id, other.id]),
    );
    network.partition(pairs);
  };
  const startMs = clock.monotonicMs();
  await Promise.all(
    faults.map(async (fault) => {
      await sleep(clock, startMs + fault.atMs - clock.monotonicMs());
      note(JSON.stringify(fault));
      if (fault.kind === 'cut') {
        cuts.push(fault.between);
        applyCuts();
        await sleep(clock, fault.forMs);
        cuts.splice(cuts.indexOf(fault.between), 1);
        applyCuts();
        return;
      }
      const machine = machines.find((one) => one.name === fault.machine);
      if (machine === undefined || !machine.isRunning) return;
      await machine.kill();
      await sleep(clock, fault.forMs);
      // Not awaited: killed again while it starts, it would never have started.
      void machine.start().catch(failed);
      note(`started ${fault.machine}`);
    }),
  );
}
