// A page of plain JavaScript with the built client, as it comes out of `npm pack`: no bundler here.
import {
  connectLink,
  connectRelay,
  createMemoryInboxState,
  createSystemDependencies,
  identityOfSeed,
} from './client.js';

const dependencies = createSystemDependencies();

globalThis.startAgent = async ({ server, transports }) => {
  const identity = identityOfSeed(dependencies.random.bytes(32));
  const link = await connectLink(
    { url: location.origin, server, identity, software: 'a page', transports },
    dependencies,
  );
  const relays = [{ name: 'ours', link }];
  const client = await connectRelay(
    { relays, identity, sealer: null, inboxState: createMemoryInboxState() },
    dependencies,
  );
  const received = [];
  client.raw.receive(async ({ envelope }) => received.push(new TextDecoder().decode(envelope)));
  return {
    address: client.address,
    received,
    status: () => ({ transport: link.status.transport, sessions: link.status.sessions }),
    use: (transport) => link.use(transport),
    async send(to, text, count) {
      const encoder = new TextEncoder();
      let last;
      for (let number = 0; number < count; number += 1) {
        last = await client.raw.send([to], encoder.encode(`${text} ${number}`));
      }
      await last.stored;
    },
    async request(to, name, text) {
      return new TextDecoder().decode(await client.raw.request(to, name, new TextEncoder().encode(text)));
    },
    async stop() {
      await client[Symbol.asyncDispose]();
      await link[Symbol.asyncDispose]();
    },
  };
};
