import type { Clock, Random } from '@pulsemesh/base';
import type { CarrierRegister } from './carrier-register.ts';
import type { AddressJudge } from './client-address.ts';
import type { LinkServerLimits } from './limits.ts';
import type { createOriginJudge } from './origins.ts';
import type { ServerEvents } from './server-events.ts';

/** What every part of one link server works with. */
export interface ServerContext {
  readonly limits: LinkServerLimits;
  readonly clock: Clock;
  readonly random: Random;
  readonly carriers: CarrierRegister;
  readonly addresses: AddressJudge;
  readonly judgeOrigin: ReturnType<typeof createOriginJudge>;
  readonly events: ServerEvents;
}
