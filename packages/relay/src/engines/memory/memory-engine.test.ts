import { createSeededRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { describe, expect, it } from 'vitest';
import { EngineClosedError } from '../../errors.ts';
import { inbox, message, runEngineContract } from '../../testing/engine-contract.ts';
import { createMemoryEngine } from './memory-engine.ts';

runEngineContract(
  { describe, it },
  { name: 'memory', open: async ({ limits, ...dependencies }) => createMemoryEngine({ limits }, dependencies) },
);

describe('the memory engine', () => {
  const dependencies = { clock: new VirtualClock(), random: createSeededRandom(1) };

  it('says that the relay is full past its bytes, and takes more after an ack', async () => {
    await using engine = createMemoryEngine({ bytesMax: 10 }, dependencies);
    await engine.claim([{ inbox: inbox(1), owner: inbox(2), untilMs: Number.MAX_SAFE_INTEGER, takesStreams: false }]);
    const outcomes = await engine.append([message('12345678'), message('123')]);
    expect(outcomes).toMatchObject([{ kind: 'stored' }, { kind: 'refused', code: 'relay-full' }]);
    const epoch = (await engine.position(inbox(1)))?.epoch ?? '';
    await engine.ack([{ inbox: inbox(1), epoch, messages: [{ offset: 1, priority: 'normal' }] }]);
    expect(await engine.append([message('123')])).toMatchObject([{ kind: 'stored', isNew: true }]);
  });

  it('does nothing more once it is disposed', async () => {
    const engine = createMemoryEngine({}, dependencies);
    await engine[Symbol.asyncDispose]();
    await expect(engine.append([message('x')])).rejects.toThrow(EngineClosedError);
  });
});
