import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConsentClient } from '@pulsemesh/node';
import type { Hex, PatientConsentView } from '@pulsemesh/node/api';
import type { Command } from 'commander';
import { connectGateway, type GatewayFlags, withGatewayFlags } from '../../gateway-access.ts';
import { type Output, table, UsageError } from '../../output.ts';
import { amountText, dayText, formatOption } from './consent-words.ts';

interface ConsentFlags extends GatewayFlags {
  readonly json?: boolean;
  readonly signature?: string;
  readonly out?: string;
  readonly format?: 'fhir' | 'csv';
  readonly grant?: string;
  readonly yes?: boolean;
}

/** `pulsemesh consent`: what patients are asked, have agreed to, and who read what. */
export function addConsent(program: Command, output: Output): void {
  const consent = program
    .command('consent')
    .summary('what a patient is asked and has agreed to, and who read what')
    .addHelpText(
      'after',
      `
Saying yes needs the patient's passkey, and so the page. From here a patient (or who helps one) can look, be asked or
not, refuse, withdraw with a signature made elsewhere, take the data away, and be forgotten.

Examples:
  $ pulsemesh consent list 3f…                     requests, grants, earnings, reads of one patient
  $ pulsemesh consent ask-me 3f… off               requests to a cohort no longer reach this patient
  $ pulsemesh consent export 3f… --format csv --out mine.csv
  $ pulsemesh consent emergency 3f… --by "Dr. Who, ward 3" --reason "unconscious" --out now.json`,
    );
  addListing(consent, output);
  addChanging(consent, output);
  addExport(consent, output);
  addEmergency(consent, output);
}

function addListing(consent: Command, output: Output): void {
  patientCommand(consent, 'list <subject>')
    .summary('requests, grants, reads and alarms of one patient; subjects are in `pulsemesh patients list`')
    .action(async (subject: string, flags: ConsentFlags) =>
      show(await clientOf(flags).consent(subject), flags, output),
    );
}

function addChanging(consent: Command, output: Output): void {
  patientCommand(consent, 'ask-me <subject> <on|off>')
    .summary('whether requests to a cohort may reach this patient')
    .action(async (subject: string, answer: string, flags: ConsentFlags) => {
      if (answer !== 'on' && answer !== 'off') throw new UsageError('on or off is wanted');
      show(await clientOf(flags).setAskable(subject, answer === 'on'), flags, output);
    });
  patientCommand(consent, 'refuse <subject> <ask>')
    .summary('refuse a request; nobody is told')
    .action(async (subject: string, askId: string, flags: ConsentFlags) =>
      show(await clientOf(flags).refuse(subject, askId), flags, output),
    );
  patientCommand(consent, 'revoke <subject> <grant>')
    .summary('withdraw consent; what was read stays with whoever read it')
    .requiredOption('--signature <hex>', "EIP-712 Revocation by the grant's signer, as the page makes it")
    .action(async (subject: string, grant: string, flags: ConsentFlags) =>
      show(await clientOf(flags).revoke(subject, hexOf(grant), hexOf(flags.signature ?? '')), flags, output),
    );
  patientCommand(consent, 'erase <subject>')
    .summary('destroy what ties the ledger to this patient; cannot be undone')
    .option('--yes', 'it is meant')
    .action(async (subject: string, flags: ConsentFlags) => {
      if (flags.yes !== true) throw new UsageError('this cannot be undone: say --yes if it is meant');
      show(await clientOf(flags).erase(subject), flags, output);
    });
}

function addExport(consent: Command, output: Output): void {
  patientCommand(consent, 'export <subject>')
    .summary("the patient's own data as a file, with the receipts of who read them")
    .addOption(formatOption())
    .option('--grant <id>', 'the interval of this grant; default the last day')
    .option('--out <file>', 'default standard output')
    .action(async (subject: string, flags: ConsentFlags) => {
      const grant = flags.grant === undefined ? undefined : hexOf(flags.grant);
      give(await clientOf(flags).exported(subject, flags.format ?? 'fhir', grant), flags.out, output);
    });
}

function addEmergency(consent: Command, output: Output): void {
  patientCommand(consent, 'emergency <subject>')
    .summary(
      "a patient's last day for whoever helps now; a custodian writes it down first, and the patient is told at once",
    )
    .requiredOption('--by <name>', 'who helps')
    .requiredOption('--reason <text>', 'why; the patient reads it. No health value')
    .addOption(formatOption())
    .option('--out <file>', 'default standard output')
    .action(async (subject: string, flags: ConsentFlags & { readonly by: string; readonly reason: string }) => {
      const { by, reason, format = 'fhir' } = flags;
      give(await clientOf(flags).inEmergency(subject, { by, reason }, format), flags.out, output);
    });
}

/** Writes a download to its file, or to standard output. */
export function give(text: string, file: string | undefined, output: Output): void {
  if (file === undefined) {
    output.out(text);
    return;
  }
  const place = resolve(file);
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(place, text, { mode: 0o600 });
  output.out(place);
}

/** An id or a signature. @throws {UsageError}. */
export function hexOf(text: string): Hex {
  if (!/^0x[0-9a-f]+$/.test(text)) throw new UsageError('0x and lower-case hex is wanted for ids and signatures');
  return text as Hex; // as just checked
}

function patientCommand(consent: Command, usage: string): Command {
  return withGatewayFlags(consent.command(usage)).option('--json', 'as JSON');
}

function clientOf(flags: GatewayFlags): ConsentClient {
  return new ConsentClient(connectGateway(flags));
}

function show(view: PatientConsentView, flags: ConsentFlags, output: Output): void {
  if (flags.json) output.out(JSON.stringify(view, null, 2));
  else for (const line of consentLines(view)) output.out(line);
}

/** A patient's consent as text. */
export function consentLines(view: PatientConsentView): readonly string[] {
  const { asks, grants, accesses, alarms, isAskable, passkey } = view;
  return [
    `Requests to a cohort ${isAskable ? 'reach' : 'do not reach'} this patient; ${passkey === null ? 'no passkey is enrolled' : `a passkey is enrolled since ${dayText(passkey.enrolledMs)}`}.`,
    ...alarms.map(({ atMs, text, custodian }) => `ALARM ${dayText(atMs)}: ${text} (${custodian})`),
    ...section('Requests', [
      ['asked by', 'for', 'compensation', 'state', 'id'],
      ...asks.map((ask) => [ask.organisation, ask.title, amountText(ask.price), ask.state, ask.askId]),
    ]),
    ...section('Grants', [
      ['to', 'for', 'compensation', 'phase', 'until', 'reads', 'id'],
      ...grants.map((grant) => [
        grant.organisation,
        grant.title,
        amountText(grant.price),
        grant.phase,
        grant.deadlineMs === null ? '' : dayText(grant.deadlineMs),
        String(grant.accesses),
        grant.grantId,
      ]),
    ]),
    ...section('Reads', [
      ['when', 'what', 'by', 'records', 'anchored'],
      ...accesses.map((access) => [
        dayText(access.atMs),
        access.reason === null ? access.kind : `${access.kind} (${access.reason})`,
        access.organisation ?? access.reader,
        String(access.records),
        access.anchor === null ? 'not yet' : 'yes',
      ]),
    ]),
  ];
}

function section(title: string, rows: readonly (readonly string[])[]): readonly string[] {
  return rows.length < 2 ? ['', `${title}: none.`] : ['', `${title}:`, ...table(rows)];
}
