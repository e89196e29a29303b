import { Condition, errorCode, sleep } from '@pulsemesh/base';
import { parsePeerId } from '@pulsemesh/wire';
import type { ConsentSettings } from '../config/consent-settings.ts';
import { serveAccessLog } from '../consent/access-log-service.ts';
import { openCustodian } from '../consent/custodian.ts';
import { serveEmergencies } from '../consent/emergency-service.ts';
import { startOfficeAgent } from '../consent/office-agent.ts';
import { openNodeLedger } from '../consent/open-ledger.ts';
import type { NodeContext, StartedRole } from '../process/node-context.ts';

const pauseMsMin = 500;
const pauseMsMax = 10_000;

/** A custodian: keeps envelopes, serves sealed records under grants, writes each read down. Opens once its ledger can be reached. */
export async function startCustodianRole(context: NodeContext): Promise<StartedRole> {
  const { consent } = context.config;
  if (consent === undefined) throw new TypeError('a custodian without its settings'); // parseNodeConfig refuses it
  const agent = await startOfficeAgent(context, consent);
  const stopped = new AbortController();
  const opening = openUntil(context, consent, agent, stopped.signal);
  context.stack.defer(async () => {
    stopped.abort(new Condition('stopped', 'the node stops'));
    await (await opening)?.disposeAsync();
  });
  return {};
}

async function openUntil(
  context: NodeContext,
  settings: ConsentSettings,
  agent: Awaited<ReturnType<typeof startOfficeAgent>>,
  signal: AbortSignal,
): Promise<AsyncDisposableStack | null> {
  const { clock, logger } = context.deps;
  let told = '';
  for (let pauseMs = pauseMsMin; !signal.aborted; pauseMs = Math.min(pauseMs * 2, pauseMsMax)) {
    try {
      await using stack = new AsyncDisposableStack();
      const node = stack.use(await openNodeLedger(context, settings, agent));
      const office = stack.use(await openCustodian(context, settings, agent, node));
      stack.use(serveAccessLog(context.port, office));
      const homes = (settings.custodian?.homes ?? []).map(parsePeerId);
      stack.use(serveEmergencies(context.port, { office, homes }, context.deps));
      logger.info('the custodian’s office is open', { grants: office.grants });
      return stack.move();
    } catch (error) {
      // Once for each reason: a ledger may take a while to be set up.
      if (told !== errorCode(error)) {
        logger.warn('the custodian’s office cannot be opened yet', { code: errorCode(error) });
      }
      told = errorCode(error);
    }
    await sleep(clock, pauseMs, { signal }).catch(() => {});
  }
  return null;
}
