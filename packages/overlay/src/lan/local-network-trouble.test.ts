import { createSeededRandom, silentLogger } from '@pulsemesh/base';
import { VirtualClock } from '@pulsemesh/base/testing';
import { createSigner } from '@pulsemesh/crypto';
import { expect, it } from 'vitest';
import { LocalNetwork } from './local-network.ts';

it('goes on after a look at the interfaces that failed, and can be disposed', async () => {
  const clock = new VirtualClock(1_790_000_000_000);
  const noDescriptor = Object.assign(new Error('uv_interface_addresses returned EMFILE'), { code: 'ERR_SYSTEM_ERROR' });
  const errors: string[] = [];
  let isBroken = false;
  let closed = 0;
  const opened: string[] = [];
  const local = new LocalNetwork(
    { mode: 'announce' },
    {
      clock,
      random: createSeededRandom(1),
      logger: { ...silentLogger, error: (text: string) => errors.push(text) },
      signer: createSigner(new Uint8Array(32).fill(1)),
      listening: () => ({ bound: ['/ip4/198.18.0.1/tcp/4001'], asked: ['/ip4/0.0.0.0/tcp/0'] }),
      connections: () => [],
      dial: () => Promise.reject(new Error('nobody is there')),
      count: () => {},
      interfaces: () => {
        if (isBroken) throw noDescriptor;
        const eth0 = { address: '198.18.0.1', cidr: '198.18.0.1/24', family: 'IPv4', internal: false } as const;
        return { eth0: [{ ...eth0, netmask: '255.255.255.0', mac: '00:00:00:00:00:01' }] };
      },
      open: async (network) => {
        opened.push(network.name);
        return {
          network,
          announce: () => {},
          answer: () => {},
          [Symbol.asyncDispose]: async () => {
            closed += 1;
          },
        };
      },
    },
  );
  isBroken = true;
  await expect(local.start()).rejects.toBe(noDescriptor);
  isBroken = false;
  expect(opened).toEqual([]);
  await clock.advance(5_100);
  expect(opened).toEqual(['eth0']);
  isBroken = true;
  await clock.advance(5_000);
  expect(errors).toHaveLength(1);
  await local[Symbol.asyncDispose]();
  expect(closed).toBe(1);
});
