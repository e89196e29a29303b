import type { RecordStore } from '@pulsemesh/store';
import type { UserId } from '@pulsemesh/vitals/readings';
import { type AcknowledgedReading, type CheckReport, checkRecords, isSound } from '@pulsemesh/vitals/records';
import { makeWindow } from '@pulsemesh/vitals/windows';

export interface CheckInput {
  readonly stores: readonly RecordStore[];
  readonly patients: readonly {
    readonly userId: UserId;
    readonly seed: Uint8Array;
    readonly isIrregular: boolean;
    readonly isRegistered: boolean;
  }[];
  readonly acknowledged: readonly AcknowledgedReading[];
  /** Message-IDs as the mail server took them. */
  readonly mails: readonly string[];
  readonly isAtRest: boolean;
}

export interface CheckResult {
  /** What does not hold, in words; empty when all does. */
  readonly violations: readonly string[];
  readonly report: CheckReport;
}

/** Holds the end of a run against what was promised. */
export async function checkPipeline(input: CheckInput): Promise<CheckResult> {
  const violations: string[] = [];
  if (!input.isAtRest) violations.push('it did not come to rest in the quiet time');
  const report = await checkRecords({ ...input, makeWindow });
  if (!isSound(report)) {
    const { patients: _, copies: __, ...faults } = report;
    violations.push(`the stores are not sound: ${JSON.stringify(faults)}`);
  }
  if (report.readingsStored !== report.readingsAcknowledged) {
    violations.push(`${report.readingsStored} readings stored of ${report.readingsAcknowledged} acknowledged`);
  }
  if (report.copies.one > 0) violations.push(`${report.copies.one} records lie in one place only`);
  report.patients.forEach(({ userId, alerts, notifications }, index) => {
    const patient = input.patients[index];
    if (patient === undefined) return;
    const expected = patient.isIrregular ? 1 : 0;
    if (alerts !== expected) violations.push(`${userId}: ${alerts} alerts, expected ${expected}`);
    const told = patient.isIrregular && patient.isRegistered ? 2 : 0;
    if (notifications !== told) violations.push(`${userId}: ${notifications} people told, expected ${told}`);
  });
  const irregular = input.patients.filter((patient) => patient.isIrregular && patient.isRegistered).length;
  const mailed = new Set(input.mails).size;
  if (mailed !== 2 * irregular) violations.push(`${mailed} different mails, expected ${2 * irregular}`);
  return { violations, report };
}
