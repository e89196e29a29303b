// What pages and programs see of the market, types alone: no code comes with it.
export type { Hex } from '../offer/offer.ts';
export type { CohortCriteria, VitalKind } from './messages.ts';
export type * from './views.ts';
