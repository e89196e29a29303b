import type { DeliveryBook, DeliveryReport } from '../checkers/delivery-book.ts';
import { victims, type Workload, type WorkloadPlan } from './workload.ts';

/** What came of a workload, whoever ran it. */
export interface WorkloadResult {
  readonly delivery: DeliveryReport;
  readonly figures: WorkloadFigures;
}

/** Figures that both runners give; a runner may add its own. */
export interface WorkloadFigures extends Readonly<Record<string, number>> {
  readonly deliveryRatio: number;
  /** The same, of what came in the time promised. */
  readonly inTimeRatio: number;
  /** From publishing to the first delivery. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Whole messages received for each that was delivered, by honest nodes. */
  readonly copiesPerDelivery: number;
  /** Bytes of the publish/subscribe protocol received for each byte of payload delivered. */
  readonly bytesPerUsefulByte: number;
  readonly linksMean: number;
  readonly linksMax: number;
}

/** Puts the figures together from what a runner counted. */
export function workloadFigures(
  book: DeliveryBook,
  report: DeliveryReport,
  counted: {
    readonly copies: number;
    readonly bytes: number;
    readonly payloadBytes: number;
    readonly links: readonly number[];
  },
): WorkloadFigures {
  const delivered = Math.max(1, report.delivered);
  const { links } = counted;
  return {
    messages: report.messages,
    expected: report.expected,
    deliveryRatio: report.ratio,
    inTimeRatio: (report.served - report.late) / Math.max(1, report.expected),
    p50Ms: book.latencyMs.at(0.5),
    p95Ms: book.latencyMs.at(0.95),
    p99Ms: book.latencyMs.at(0.99),
    copiesPerDelivery: counted.copies / delivered,
    bytesPerUsefulByte: counted.bytes / (delivered * counted.payloadBytes),
    linksMean: links.reduce((sum, count) => sum + count, 0) / Math.max(1, links.length),
    linksMax: links.reduce((most, count) => Math.max(most, count), 0),
  };
}

/** What an attack did: deliveries of what was published since it began, and how its victims fared. Nothing without one. */
export function attackFigures(
  { attack }: Workload,
  plan: WorkloadPlan,
  book: DeliveryBook,
  { overTime }: DeliveryReport,
): Readonly<Record<string, number>> {
  if (attack === undefined) return {};
  const since = overTime.filter(({ second }) => second >= attack.atSeconds);
  const expected = since.reduce((sum, one) => sum + one.expected, 0);
  const served = since.reduce((sum, one) => sum + one.served, 0);
  const fromMs = 1_000 * attack.atSeconds;
  const ratio = { attackedRatio: expected === 0 ? 1 : served / expected };
  if (attack.kind === 'eclipse') {
    return { ...ratio, victimServed: book.servedShareOf(victims.eclipsed(), fromMs, plan.untilMs) };
  }
  return attack.kind === 'censor'
    ? { ...ratio, victimHeard: book.servedShareFrom(victims.censored(plan), fromMs) }
    : ratio;
}
