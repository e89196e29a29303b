import { silentLogger, silentMeter } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createMemoryTables } from '@pulsemesh/store';
import { describe, expect, it, vi } from 'vitest';
import type { BoardFetch } from '../client/fetch.ts';
import { openBoardLog } from '../log/stored-log.ts';
import { openCheckpoint } from '../notes/checkpoint.ts';
import { createNoteVerifier } from '../notes/keys.ts';
import { testAuthor } from '../testing/sample-entries.ts';
import { CosignatureCollector, collectorLimits } from './cosignature-collector.ts';
import { Witness } from './witness.ts';
import { createWitnessHttp } from './witness-http.ts';

const origin = 'board.test/1';
const boardKey = testAuthor('board');
const board = createNoteVerifier(origin, boardKey.publicKey, 'ed25519');

function aWitness(name: string, clock: VirtualClock, store = createMemoryTables()) {
  return new Witness({ name, key: testAuthor(name), logs: [board] }, { clock, store });
}

/** Witnesses by their URL; null: it does not answer. */
function fetchTo(witnesses: Map<string, Witness | null>, clock: VirtualClock): BoardFetch {
  return async (url, { method, body, signal }) => {
    const { host } = new URL(url);
    const witness = witnesses.get(host);
    if (witness === null || witness === undefined) throw new Error('no answer');
    const init = { method, signal, ...(body === undefined ? {} : { body: new Uint8Array(body) }) };
    const answer = await createWitnessHttp(witness, { clock }, '')(new Request(url, init), 'test');
    return { status: answer.status, bytes: async () => new Uint8Array(await answer.arrayBuffer()) };
  };
}

async function aWorld(wanted: number) {
  const clock = new VirtualClock();
  const store = createMemoryTables();
  const log = await openBoardLog({ store, signer: boardKey, origin });
  const witnesses = new Map<string, Witness | null>([
    ['a', aWitness('a', clock)],
    ['b', aWitness('b', clock)],
  ]);
  const verifiers = [...witnesses.values()].flatMap((witness) => witness?.verifier ?? []);
  const known = [...verifiers.map((verifier) => ({ verifier, url: `http://${verifier.name}/` }))];
  const logger = { ...silentLogger, error: vi.fn() };
  const open = () =>
    new CosignatureCollector(
      { log, witnesses: known, wanted, store },
      { clock, fetch: fetchTo(witnesses, clock), logger, meter: silentMeter },
    );
  const shown = (collector: CosignatureCollector) => {
    const { checkpoint, signatures } = openCheckpoint(collector.shown, [board, ...verifiers]);
    return [checkpoint.size, signatures.length - 1];
  };
  return { clock, log, store, witnesses, logger, open, shown };
}

describe('collecting cosignatures', () => {
  it('shows a checkpoint once enough witnesses signed it, though one is away, and keeps it over a restart', async () => {
    const { clock, log, witnesses, open, shown } = await aWorld(1);
    witnesses.set('b', null);
    const collector = open();
    await log.append(Uint8Array.of(1));
    await clock.advance(10);
    expect(shown(collector)).toEqual([1, 1]);
    await collector[Symbol.asyncDispose]();
    witnesses.set('a', null);
    await log.append(Uint8Array.of(2));
    const again = open();
    await clock.advance(10);
    expect(shown(again)).toEqual([1, 1]);
    witnesses.set('b', aWitness('b', clock));
    await clock.advance(collectorLimits.retryMs + 10);
    expect(shown(again)).toEqual([2, 1]);
    await again[Symbol.asyncDispose]();
  });

  it('shows nothing that too few signed', async () => {
    const { clock, log, witnesses, open, shown } = await aWorld(2);
    witnesses.set('b', null);
    await using collector = open();
    const before = shown(collector);
    await log.append(Uint8Array.of(1));
    await clock.advance(20_000);
    expect(shown(collector)[0]).toBe(before[0]);
  });

  it('calls the operator when a witness saw another log under this name', async () => {
    const { clock, log, witnesses, logger, open } = await aWorld(1);
    const other = await openBoardLog({ store: createMemoryTables(), signer: boardKey, origin });
    await other.append(Uint8Array.of(9));
    await witnesses.get('a')?.cosign({ oldSize: 0, proof: [], note: other.checkpoint.note });
    await using collector = open();
    await log.append(Uint8Array.of(1));
    await log.append(Uint8Array.of(2));
    await clock.advance(collectorLimits.retryMs * 3);
    expect(logger.error).toHaveBeenCalledWith('a witness refuses the checkpoint of this board', expect.anything());
    expect(collector.shown.length).toBeGreaterThan(0);
  });

  it('takes signatures that witnesses bring, once each, and minds no others', async () => {
    const { clock, log, witnesses, open, shown } = await aWorld(1);
    const coming = witnesses.get('a') as Witness;
    witnesses.set('a', null);
    witnesses.set('b', null);
    await using collector = open();
    await log.append(Uint8Array.of(1));
    await clock.advance(collectorLimits.retryMs);
    const answer = await coming.cosign({ oldSize: 0, proof: [], note: collector.pending });
    const line = answer.kind === 'cosigned' ? answer.line : '';
    const { text } = openCheckpoint(collector.pending, [board]);
    const note = new TextEncoder().encode(`${text}\n${line}`);
    expect([collector.take(note), collector.take(note)]).toEqual([1, 0]);
    expect(shown(collector)).toEqual([1, 1]);
    const stranger = aWitness('c', clock);
    const foreign = await stranger.cosign({ oldSize: 0, proof: [], note: collector.pending });
    const strange = `${text}\n${foreign.kind === 'cosigned' ? foreign.line : ''}`;
    expect(collector.take(new TextEncoder().encode(strange))).toBe(0);
    expect(() => collector.take(Uint8Array.of(1))).toThrow();
  });
});
