/** A process that plays one setting and tells what came of it: `fork`ed by the bench. */
import { once } from 'node:events';
import { Network } from './network.ts';
import { planOf } from './plan.ts';
import type { Setting } from './setting.ts';

const setting = (await once(process, 'message'))[0] as Setting; // from our own parent
const network = new Network(setting, planOf(setting));
process.send?.(await network.play());
await network.stop();
process.exit(0);
