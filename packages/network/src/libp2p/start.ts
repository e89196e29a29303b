import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { silentLogger } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import type {
  ElectedBootstrap,
  Libp2pNetwork,
  Libp2pNetworkDependencies,
  Libp2pNetworkOptions,
} from '../libp2p-network.ts';
import { relayedListen } from '../relayed-address.ts';
import { Driver, isLoopback } from './driver.ts';
import { createHost } from './host.ts';
import { Succession } from './succession.ts';

/** See {@link startLibp2pNetwork}. */
export async function startDriver(
  options: Libp2pNetworkOptions,
  dependencies: Libp2pNetworkDependencies,
): Promise<Libp2pNetwork> {
  const logger = dependencies.logger ?? silentLogger;
  const isBootstrapOnly = options.roles.every((role) => role === 'bootstrap');
  const allowed = options.allow === undefined ? undefined : new Set(options.allow);
  let driver: Driver | undefined;
  const host = await createHost(
    {
      identityKeyBytes: options.identityKeyBytes,
      listen: options.listen,
      relayed: options.relayed,
      isDirect: options.isDirect !== false,
      nat: options.nat ?? {},
      isAnnounced: (address) => options.announceLoopback !== false || !isLoopback(address),
      isAllowed: (peer) => allowed === undefined || allowed.has(peer) || driver?.isVouchedFor(peer) === true,
      hasPubSub: !isBootstrapOnly,
      ...(dependencies.pubSub === undefined ? {} : { pubSub: dependencies.pubSub }),
      dataDirectory: options.dataDirectory,
    },
    { ...dependencies, logger },
  );
  const started = new Driver(options, { ...dependencies, logger }, host);
  driver = started;
  try {
    await started.start();
  } catch (error) {
    await started[Symbol.asyncDispose]();
    throw error;
  }
  // A successor needs an address of its own: relays know this node by its one key.
  const mayStand = options.isDirect !== false && options.listen.length > 0;
  if (!isBootstrapOnly && options.elects !== false && (mayStand || dependencies.onElected !== undefined)) {
    const start = dependencies.onElected ?? (() => startSuccessor(options, dependencies, started));
    const isSuccessor = (peer: PeerId) => started.isSuccessor(peer);
    started.own(new Succession(options, { network: started, isSuccessor, start, clock: dependencies.clock, logger }));
  }
  return started;
}

/** One more host in this process: fresh identity, same interfaces, free ports, known to the others through us. */
async function startSuccessor(
  options: Libp2pNetworkOptions,
  dependencies: Libp2pNetworkDependencies,
  network: Driver,
): Promise<ElectedBootstrap> {
  const key = await generateKeyPairFromSeed('Ed25519', dependencies.random.bytes(32));
  network.vouch(peerIdFromPrivateKey(key).toString() as PeerId); // libp2p's text form is ours
  const { dataDirectory: _ours, relayed: _asUs, nat: _own, allow, ...rest } = options;
  const bootstrap = await startDriver(
    {
      ...rest,
      identityKeyBytes: key.raw,
      listen: options.listen.map((address) => address.replace(/\/tcp\/\d+/, '/tcp/0')),
      bootstrap: network.addresses().filter((address) => !address.includes(relayedListen)),
      roles: ['bootstrap'],
      isSuccessor: true,
      ...(allow === undefined ? {} : { allow: [...allow, network.self] }),
    },
    dependencies,
  );
  return { id: bootstrap.self, [Symbol.asyncDispose]: () => bootstrap[Symbol.asyncDispose]() };
}
