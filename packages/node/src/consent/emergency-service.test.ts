import { createSeededRandom } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import type { AccessReceipt, Emergency, EmergencyAccess } from '@pulsemesh/ledger';
import { decodeAccessReceipt } from '@pulsemesh/ledger/browser';
import { createRpcClient } from '@pulsemesh/network';
import { createMemoryNetwork } from '@pulsemesh/network/testing';
import { peerIdOfEd25519 } from '@pulsemesh/wire';
import { describe, expect, it } from 'vitest';
import { emergenciesPerHourMax, logEmergency, serveEmergencies } from './emergency-service.ts';

const subject = 'ab'.repeat(16);
const reason = 'Dr. Who: unconscious';

function receiptOf({ reason: said }: Emergency): AccessReceipt {
  const record: AccessReceipt['record'] = {
    kind: 'emergency',
    ...{ grantId: `0x${'11'.repeat(32)}`, ordinal: 0, reader: peerIdOfEd25519(new Uint8Array(32).fill(1)), atMs: 5 },
    ...{ request: `0x${'00'.repeat(32)}`, purpose: 'emergency', fromSeconds: 0, untilSeconds: 0 },
    ...{ records: 0, bytes: 0, reason: said },
  };
  const proof = { index: 0, path: [], checkpoint: Uint8Array.of(1), request: null, signature: new Uint8Array(64) };
  return { record, salt: new Uint8Array(16), ...proof };
}

function world() {
  const clock = new VirtualClock();
  const random = createSeededRandom(1);
  const network = createMemoryNetwork({ clock, random });
  const home = network.join({ roles: ['gateway'] });
  const stranger = network.join({ roles: ['gateway'] });
  const logged: Emergency[] = [];
  const custodian = (isWorking = true) => {
    const port = network.join({ roles: ['custodian'] });
    const office = {
      async emergency(emergency: Emergency) {
        if (!isWorking) throw new Error('the log cannot be written');
        logged.push(emergency);
        return receiptOf(emergency);
      },
    };
    serveEmergencies(port, { office, homes: [home.self] }, { clock });
    return port.self;
  };
  const taken: EmergencyAccess[] = [];
  const rpcs = new Map([home, stranger].map((port) => [port, createRpcClient({ port, clock })]));
  const ask = (custodians: Parameters<typeof logEmergency>[1], port = home) =>
    logEmergency({ subject, reason }, custodians, {
      rpc: rpcs.get(port) ?? createRpcClient({ port, clock }),
      take: async (access) => void taken.push(access),
    });
  return { clock, stranger, home, logged, taken, custodian, ask };
}

describe('an emergency', () => {
  it('is written down by the first custodian that can, as what it is, and taken with its receipt', async () => {
    const { home, logged, taken, custodian, ask } = world();
    const [away, working] = [custodian(false), custodian()];
    await ask([away, working]);
    expect(logged).toEqual([{ subject: new Uint8Array(16).fill(0xab), reason, reader: home.self }]);
    expect(taken).toMatchObject([{ subject, custodian: working, reason }]);
    expect(decodeAccessReceipt(taken[0]?.receipt ?? new Uint8Array())).toMatchObject({ record: { reason } });
  });

  it('opens nothing where no custodian writes it down, or its home does not take the receipt', async () => {
    const { home, clock, custodian, ask } = world();
    await expect(ask([])).rejects.toMatchObject({ code: 'emergency-not-logged', retryable: true });
    await expect(ask([custodian(false)])).rejects.toMatchObject({ code: 'emergency-not-logged' });
    const rpc = createRpcClient({ port: home, clock });
    const take = async () => {
      throw new Error('no receipt of this emergency');
    };
    const asked = logEmergency({ subject, reason }, [custodian()], { rpc, take });
    await expect(asked).rejects.toMatchObject({ code: 'emergency-not-logged' });
  });

  it('is written down for the homes of a custodian alone, so many in an hour', async () => {
    const { clock, stranger, logged, custodian, ask } = world();
    const one = custodian();
    await expect(ask([one], stranger)).rejects.toMatchObject({ cause: { code: 'no-home' } });
    for (let count = 0; count < emergenciesPerHourMax; count += 1) await ask([one]);
    await expect(ask([one])).rejects.toMatchObject({ cause: { code: 'too-many-emergencies' } });
    expect(logged).toHaveLength(emergenciesPerHourMax);
    await clock.advance(3_600_000);
    await ask([one]);
  });
});
