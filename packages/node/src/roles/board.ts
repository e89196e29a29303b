import { startBoardService } from '../board/board-service.ts';
import { startWitnessService } from '../board/witness-service.ts';
import type { WitnessSettings } from '../config/board-settings.ts';
import { stopProcess } from '../process/fail-stop.ts';
import type { NodeContext, StartedRole } from '../process/node-context.ts';

/** A public board, signed with the node's key, on a port of its own. */
export async function startBoardRole({ config, deps, identity, stack }: NodeContext): Promise<StartedRole> {
  const { board, dataDirectory } = config;
  if (board === undefined) throw new TypeError('a board without its settings'); // parseNodeConfig refuses it
  const service = stack.use(await startBoardService({ ...board, dataDirectory }, identity, deps));
  void service.failed.then(stopProcess);
  deps.logger.info('board is up', { entries: service.log.checkpoint.size });
  return { ports: { board: service.port } };
}

/** Cosigns the checkpoints of other boards with the node's key. */
export async function startWitnessing(
  { config, deps, identity, stack }: NodeContext,
  settings: WitnessSettings,
): Promise<StartedRole> {
  const { dataDirectory } = config;
  const network = settings.caFile === undefined ? {} : { trust: { caFiles: [settings.caFile] } };
  const service = stack.use(await startWitnessService({ ...settings, dataDirectory, network }, identity, deps));
  return service.port === null ? {} : { ports: { witness: service.port } };
}
