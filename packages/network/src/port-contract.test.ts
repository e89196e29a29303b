import { createSeededRandom, createSystemClock } from '@pulsemesh/base';
import { afterEach, describe, expect, it } from 'vitest';
import { createMemoryNetwork } from './memory-network.ts';
import { libp2pContractNetworks, runNetworkPortContract } from './port-contract.ts';

const runner = { describe, it, afterEach, expect };

runNetworkPortContract(runner, 'memory', async () => {
  const network = createMemoryNetwork({ clock: createSystemClock(), random: createSeededRandom(1), noticeMs: 50 });
  return {
    join: async ({ roles, trustsNobody }) => network.join({ roles, isTrusted: () => trustsNobody !== true }),
    async [Symbol.asyncDispose]() {},
  };
});

for (const [name, create] of Object.entries(libp2pContractNetworks())) runNetworkPortContract(runner, name, create);
