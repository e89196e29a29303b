import { stopProcess } from '../process/fail-stop.ts';
import type { NodeContext, StartedRole } from '../process/node-context.ts';
import { startRelayService } from '../relay/relay-service.ts';

/** How long agents are given to go elsewhere when the node stops. */
const drainMs = 2_000;

/** A messaging server whose key is the node's. */
export async function startRelayRole({ config, deps, identity, stack }: NodeContext): Promise<StartedRole> {
  const { relay, allow, dataDirectory } = config;
  if (relay === undefined) throw new TypeError('a relay without its settings'); // parseNodeConfig refuses it
  const options = { ...relay, dataDirectory, ...(allow === undefined ? {} : { allow }) };
  const service = stack.use(await startRelayService(options, identity, deps));
  stack.defer(() => service.drain(drainMs));
  void service.failed.then((reason) => {
    if (reason !== null) stopProcess(reason);
  });
  return { ports: { relay: service.link.port } };
}
