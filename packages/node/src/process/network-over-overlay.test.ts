import { libp2pContractNetworks, runNetworkPortContract } from '@pulsemesh/network/testing';
import { upsycle } from '@pulsemesh/overlay';
import { afterEach, describe, expect, it } from 'vitest';

const networks = libp2pContractNetworks(upsycle({ allowPublishToZeroTopicPeers: true }));
const runner = { describe, it, afterEach, expect };

for (const [name, create] of Object.entries(networks)) {
  runNetworkPortContract(runner, `${name}, publish/subscribe over the overlay`, create);
}
