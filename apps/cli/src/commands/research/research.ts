import { ConsentClient, readDemoResearch } from '@pulsemesh/node';
import type { AskRequest, ResearchView, VitalKind } from '@pulsemesh/node/api';
import { type Command, Option } from 'commander';
import { connectGateway, type GatewayFlags, withGatewayFlags } from '../../gateway-access.ts';
import { type Output, table, UsageError } from '../../output.ts';
import { parseCount, parseList } from '../../parse.ts';
import { give, hexOf } from '../consent/consent.ts';
import { amountText, dayText, formatOption } from '../consent/consent-words.ts';

const vitalKinds: readonly VitalKind[] = ['readings', 'windows', 'predictions', 'alerts'];
const dayMs = 86_400_000;

interface ResearchFlags extends GatewayFlags {
  readonly json?: boolean;
  readonly out?: string;
  readonly format?: 'fhir' | 'csv';
  readonly vital?: VitalKind;
}

interface AskFlags extends ResearchFlags {
  readonly home?: string;
  readonly handle?: string;
  readonly title: string;
  readonly purpose: string;
  readonly why: string;
  readonly vitals: readonly string[];
  readonly from: string;
  readonly until: string;
  readonly accessDays: number;
  readonly validDays: number;
  readonly units: string;
  readonly account?: string;
  readonly hours?: number;
  readonly irregular?: boolean;
  readonly input?: 'rr' | 'hr' | 'wrist';
}

/** `pulsemesh research`: find, ask, buy, read. */
export function addResearch(program: Command, output: Output): void {
  const research = program
    .command('research')
    .summary('find data that people may be asked for, ask, buy, read')
    .addHelpText(
      'after',
      `
The way of a study: see what is offered; ask a home's cohort; whoever agrees appears as a grant; buy it, and the key is
handed over; read, and the patient sees that you did. Treatment is free, and 0 is customary elsewhere.

Examples:
  $ pulsemesh research catalogue
  $ pulsemesh research ask --home 12D3Koo… --title "Rhythm at night" --purpose research/rhythm \\
      --why "We look for …; we keep it two years." --vitals readings,windows --from 2026-11-01 --until 2026-12-01
  $ pulsemesh research list
  $ pulsemesh research buy 0x…        with the account of this office, within its spending limit
  $ pulsemesh research read 0x… --format csv --out night.csv
  $ pulsemesh research refund 0x…     where the key did not come in time
  $ pulsemesh research dispute 0x…    where the key on the ledger opens nothing; before its window ends`,
    );
  addFinding(research, output);
  addAsking(research, output);
  addBuying(research, output);
}

function addFinding(research: Command, output: Output): void {
  officeCommand(research, 'catalogue')
    .summary('cohorts that homes offer: counts, never identities')
    .action(async (flags: ResearchFlags) => {
      const { catalogue } = await clientOf(flags).research();
      if (flags.json) return output.out(JSON.stringify(catalogue, null, 2));
      for (const line of catalogueLines(catalogue)) output.out(line);
    });
  officeCommand(research, 'list')
    .summary('what was asked, granted and read')
    .action(async (flags: ResearchFlags) => {
      const view = await clientOf(flags).research();
      if (flags.json) return output.out(JSON.stringify(view, null, 2));
      for (const line of researchLines(view)) output.out(line);
    });
}

function addAsking(research: Command, output: Output): void {
  officeCommand(research, 'ask')
    .summary('ask whoever of a home matches and agreed to be asked; who stays silent is not seen')
    .requiredOption('--home <peer>', 'whose patients, from the catalogue')
    .requiredOption('--title <text>')
    .requiredOption('--purpose <code>', 'as research/rhythm')
    .requiredOption('--why <text>', 'for the patient: what for, who gains, how long it is kept')
    .option('--vitals <list>', vitalKinds.join(', '), parseList, ['readings', 'windows'])
    .requiredOption('--from <day>', 'recordings from this time on, as 2026-11-01 or with a time of day')
    .requiredOption('--until <day>', 'until this time, which may lie ahead')
    .option('--access-days <count>', 'how long they may be read', parseCount, 30)
    .option('--valid-days <count>', 'how long the request waits for answers', parseCount, 14)
    .option('--units <amount>', 'compensation in whole units of the ledger', '0')
    .option('--account <address>', "who pays; default the office's own")
    .option('--handle <handle>', 'one patient, by the handle of a counter-offer, instead of a cohort')
    .option('--hours <count>', 'only who has so many hours of usable recordings', parseCount)
    .option('--irregular', 'only who had an irregular rhythm pointed out')
    .addOption(new Option('--input <kind>', 'only recordings of this kind').choices(['rr', 'hr', 'wrist']))
    .action(async (flags: AskFlags) => {
      const client = clientOf(flags);
      const account = flags.account ?? (await client.research()).signer?.account;
      if (account === undefined) throw new UsageError('this office has no account of its own: give --account');
      const asked = await client.ask(requestOf(flags, account));
      output.out(flags.json ? JSON.stringify(asked, null, 2) : asked.askId);
    });
}

function addBuying(research: Command, output: Output): void {
  officeCommand(research, 'buy <grant>')
    .summary("buy a grant with the office's own account; the key follows")
    .action(async (grant: string, flags: ResearchFlags) =>
      tell(await clientOf(flags).buy(hexOf(grant)), flags, output),
    );
  officeCommand(research, 'refund <grant>')
    .summary('claim the money back where the key did not come in time')
    .action(async (grant: string, flags: ResearchFlags) =>
      tell(await clientOf(flags).refund(hexOf(grant)), flags, output),
    );
  officeCommand(research, 'dispute <grant>')
    .summary('say that the key on the ledger is worth nothing: the arbiter divides the price')
    .action(async (grant: string, flags: ResearchFlags) =>
      tell(await clientOf(flags).dispute(hexOf(grant)), flags, output),
    );
  officeCommand(research, 'read <grant>')
    .summary('read under a grant; the patient sees it')
    .addOption(formatOption())
    .addOption(new Option('--vital <kind>', 'default: all that the grant names').choices([...vitalKinds]))
    .option('--out <file>', 'default standard output')
    .action(async (grant: string, flags: ResearchFlags) =>
      give(await clientOf(flags).data(hexOf(grant), flags.format ?? 'fhir', flags.vital), flags.out, output),
    );
}

function officeCommand(research: Command, usage: string): Command {
  return withGatewayFlags(research.command(usage)).option('--json', 'as JSON');
}

function clientOf(flags: GatewayFlags): ConsentClient {
  return new ConsentClient(connectGateway(flags, readDemoResearch));
}

function tell(done: { readonly transaction: string }, flags: ResearchFlags, output: Output): void {
  output.out(flags.json ? JSON.stringify(done, null, 2) : done.transaction);
}

/** What the flags ask. @throws {UsageError}. */
export function requestOf(flags: AskFlags, account: string): AskRequest {
  const unknown = flags.vitals.find((vital) => !vitalKinds.some((known) => known === vital));
  if (unknown !== undefined) throw new UsageError(`--vitals takes ${vitalKinds.join(', ')}, not ${unknown}`);
  if (!/^(?:0|[1-9]\d*)$/.test(flags.units)) throw new UsageError('--units takes whole units in digits');
  const { hours, irregular, input } = flags;
  const criteria = {
    ...(hours === undefined ? {} : { recordedHoursMin: hours }),
    ...(irregular === undefined ? {} : { irregular }),
    ...(input === undefined ? {} : { input }),
  };
  return {
    home: flags.home ?? '',
    ...(flags.handle === undefined ? { criteria } : { handle: flags.handle }),
    title: flags.title,
    purpose: flags.purpose,
    explanation: flags.why,
    vitals: vitalKinds.filter((vital) => flags.vitals.includes(vital)),
    fromMs: timeOf('--from', flags.from),
    untilMs: timeOf('--until', flags.until),
    accessForMs: flags.accessDays * dayMs,
    validForMs: flags.validDays * dayMs,
    price: flags.units,
    account: hexOf(account.toLowerCase()),
  };
}

const hourMs = 3_600_000;

/** Whole hours: what keys are cut by. */
function timeOf(flag: string, text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new UsageError(`${flag} takes a day as 2026-11-01, or a time as 2026-11-01T10:00Z`);
  return Math.floor(ms / hourMs) * hourMs;
}

/** The catalogue as text. */
export function catalogueLines(catalogue: ResearchView['catalogue']): readonly string[] {
  const rows = catalogue.flatMap(({ home, organisation, cohorts }) =>
    cohorts.map((cohort) => [
      organisation,
      criteriaText(cohort.criteria),
      `at least ${cohort.patients}`,
      cohort.vitals.join(', '),
      home,
    ]),
  );
  return rows.length === 0
    ? ['Nobody offers a cohort large enough to be shown.']
    : table([['by', 'who', 'patients', 'what', 'home'], ...rows]);
}

function criteriaText({
  recordedHoursMin,
  irregular,
  input,
}: ResearchView['catalogue'][number]['cohorts'][number]['criteria']) {
  const parts = [
    ...(recordedHoursMin === undefined ? [] : [`${recordedHoursMin} h recorded`]),
    ...(irregular === undefined ? [] : [irregular ? 'irregular rhythm pointed out' : 'none pointed out']),
    ...(input === undefined ? [] : [input]),
  ];
  return parts.length === 0 ? 'anybody' : parts.join(', ');
}

/** The office as text. */
export function researchLines({ organisation, signer, asks, grants, accesses }: ResearchView): readonly string[] {
  return [
    `${organisation}${signer === null ? ', buys with a wallet in the browser' : `, buys with ${signer.account} (may spend ${signer.leftToSpend} units more)`}`,
    '',
    ...table([
      ['asked', 'offers', 'counters', 'compensation', 'until', 'id'],
      ...asks.map((ask) => [
        ask.title,
        String(ask.offers),
        ask.counters.map(({ handle, price }) => `${amountText(price)} (${handle})`).join(', '),
        amountText(ask.price),
        dayText(ask.expiresMs),
        ask.askId,
      ]),
    ]),
    '',
    ...table([
      ['granted for', 'compensation', 'phase', 'until', 'id'],
      ...grants.map((grant) => [
        grant.title,
        amountText(grant.price),
        grant.phase,
        grant.deadlineMs === null ? '' : dayText(grant.deadlineMs),
        grant.grantId,
      ]),
    ]),
    '',
    `${accesses.length} reads are in the logs of custodians, where the patients see them.`,
  ];
}
