import { emergencyIdOf } from '../../custody/emergency-id.ts';
import type { Hex } from '../../offer/offer.ts';
import { askOf, offerOf, receiptOf } from '../kept-messages.ts';
import { accessView, amountView, askTermsView, deadlineMsOf, phaseOf } from '../view-parts.ts';
import type { AccessView, AnchorView, AskView, EarningsView, GrantView, PatientConsentView } from '../views.ts';
import { homeLimits } from './home-limits.ts';
import type { HomeHouse } from './home-means.ts';
import { type AccessRow, creditIdOf, type GrantRow, type InboxRow, nobody } from './home-rows.ts';

/** Everything about consent of one patient, as it is now. `anchorOf`: where a custodian's log of that length is anchored. */
export function patientView(
  house: HomeHouse,
  subject: string,
  anchorOf: (custodian: string, index: number) => AnchorView | null,
): PatientConsentView {
  const { desk } = house;
  const patient = desk.get('patient', subject) ?? nobody;
  const grants = [...desk.all('grant')].filter(([, grant]) => grant.subject === subject);
  grants.sort(([, one], [, other]) => other.offeredMs - one.offeredMs);
  const alarms = [...desk.all('alarm')].filter(([, alarm]) => alarm.subject === subject);
  const { passkey } = patient;
  return {
    subject,
    isAskable: patient.isAskable,
    passkey: passkey === null ? null : { credentialId: passkey.credentialId, enrolledMs: passkey.enrolledMs },
    asks: asksOf(house, subject),
    grants: grants.map(([grantId, grant]) => grantView(house, grantId as Hex, grant)),
    accesses: accessesOf(house, subject, new Map(grants), anchorOf),
    alarms: alarms.map(([alarmId, { custodian, kind, grantId, atMs, text }]) => ({
      alarmId,
      kind,
      custodian,
      grantId,
      atMs,
      text,
    })),
    earnings: earningsOf(house, grants),
    ...(patient.erasedMs === null ? {} : { erasedMs: patient.erasedMs }),
  };
}

function asksOf(house: HomeHouse, subject: string): readonly AskView[] {
  const rows = [...house.desk.all('inbox').values()].filter((inbox) => inbox.subject === subject);
  rows.sort((one, other) => other.atMs - one.atMs);
  return rows.flatMap((inbox) => askView(house, inbox) ?? []);
}

function askView({ desk, means, clock }: HomeHouse, inbox: InboxRow): AskView | null {
  const row = desk.get('ask', inbox.askId);
  if (row === undefined) return null;
  const ask = askOf(row);
  const known = means.keys?.keyOf(row.from) ?? null;
  const isOpen = inbox.state === 'waiting' || inbox.state === 'countered';
  return {
    ...askTermsView(ask, means.currency),
    subject: inbox.subject,
    researcher: row.from,
    isKnown: known !== null && known.state === 'enrolled' && known.name === ask.organisation,
    askedMs: row.receivedMs,
    expiresMs: row.expiresMs,
    state: isOpen && row.expiresMs <= clock.now() ? 'expired' : inbox.state,
  };
}

function grantView(house: HomeHouse, grantId: Hex, grant: GrantRow): GrantView {
  const { domain, currency } = house.means;
  const offer = offerOf(grant);
  const phase = phaseOf(grant, house.clock.now());
  return {
    grantId,
    askId: grant.askId,
    subject: grant.subject,
    organisation: grant.organisation,
    title: grant.title,
    purpose: grant.purpose,
    vitals: grant.vitals,
    fromMs: grant.fromSeconds * 1000,
    untilMs: grant.untilSeconds * 1000,
    price: amountView(BigInt(grant.price), grant.token, currency),
    phase,
    deadlineMs: deadlineMsOf(grant, phase),
    offeredMs: grant.offeredMs,
    purchaseTransaction: grant.purchaseTransaction,
    consent: offer.consent,
    accesses: grant.accesses,
    buyer: offer.signed.offer.buyer,
    signing: {
      signer: grant.signer,
      keySalt: grant.keySalt,
      chainId: domain.chainId,
      contract: domain.verifyingContract,
    },
  };
}

function accessesOf(
  { desk, means }: HomeHouse,
  subject: string,
  grants: ReadonlyMap<string, GrantRow>,
  anchorOf: (custodian: string, index: number) => AnchorView | null,
): readonly AccessView[] {
  const rows: [string, AccessRow][] = [];
  const emergencies = emergencyIdOf(subject);
  for (const [id, row] of desk.all('access')) {
    const under = id.slice(0, id.indexOf('/'));
    if (under === emergencies || grants.has(under)) rows.push([id, row]);
  }
  rows.sort(([, one], [, other]) => other.atMs - one.atMs);
  return rows.slice(0, homeLimits.accessesShownMax).map(([, row]) => {
    const { record, index } = receiptOf(row).receipt;
    const organisation = means.keys?.keyOf(record.reader)?.name ?? grants.get(record.grantId)?.organisation ?? null;
    return accessView(row, { organisation, anchor: anchorOf(row.custodian, index) });
  });
}

/** A purse that several grants share, a passkey's, is shown with the newest of them. */
function earningsOf({ desk, means }: HomeHouse, grants: readonly (readonly [string, GrantRow])[]): EarningsView {
  const shown = new Set<string>();
  const amounts = grants.flatMap(([grantId, grant]) => {
    const credit = desk.get('credit', creditIdOf(grant));
    const hasEarned = grant.status === 'active' || grant.status === 'closed' || grant.status === 'revoked';
    if (BigInt(grant.price) === 0n || credit === undefined || !hasEarned || grant.isRefunded) return [];
    const isFirst = !shown.has(creditIdOf(grant));
    shown.add(creditIdOf(grant));
    return [
      {
        ...amountView(BigInt(grant.price), grant.token, means.currency),
        grantId: grantId as Hex,
        payee: grant.payee,
        withdrawable: isFirst ? credit.amount : '0',
        nonce: credit.nonce.toString(),
      },
    ];
  });
  return { amounts };
}
