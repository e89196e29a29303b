import type { Hex } from '../../offer/offer.ts';
import { askOf, offerOf } from '../kept-messages.ts';
import { accessView, amountView, askTermsView, deadlineMsOf, phaseOf } from '../view-parts.ts';
import type { AccessView, CatalogueEntryView, GrantView, ResearchView } from '../views.ts';
import { researchLimits } from './research-limits.ts';
import type { ResearchHouse } from './research-means.ts';
import type { ResearchGrantRow } from './research-rows.ts';

/** What a researcher's office shows, as it is now. */
export function researchView(house: ResearchHouse, accounts: readonly Hex[]): ResearchView {
  const { desk, means } = house;
  const { signer } = means;
  const left = means.leftToSpend?.() ?? null;
  const grants = [...desk.all('grant')].sort(([, one], [, other]) => other.offeredMs - one.offeredMs);
  const own = signer?.signer;
  return {
    organisation: means.organisation,
    self: means.post.self,
    signer: own === undefined ? null : { account: own, leftToSpend: left === null ? unlimited : left.toString() },
    accounts: own === undefined || accounts.includes(own) ? accounts : [own, ...accounts],
    catalogue: catalogueOf(house),
    asks: asksOf(house),
    grants: grants.map(([grantId, grant]) => grantView(house, grantId as Hex, grant)),
    accesses: accessesOf(house),
  };
}

/** More than there can be of any token. */
const unlimited = (2n ** 256n - 1n).toString();

/** Of each home the latest. */
function catalogueOf({ means }: ResearchHouse): readonly CatalogueEntryView[] {
  const latest = new Map<string, CatalogueEntryView>();
  for (const { author, body } of means.board?.entries('catalogue') ?? []) {
    latest.delete(author);
    latest.set(author, { home: author, ...body });
  }
  return [...latest.values()].filter(({ cohorts }) => cohorts.length > 0).reverse();
}

function asksOf({ desk, means }: ResearchHouse): ResearchView['asks'] {
  const offers = new Map<string, number>();
  for (const { askId } of desk.all('grant').values()) offers.set(askId, (offers.get(askId) ?? 0) + 1);
  const counters = Map.groupBy(desk.all('counter'), ([, { askId }]) => askId);
  const asks = [...desk.all('ask').values()].map((row) => {
    const ask = askOf(row);
    return {
      ...askTermsView(ask, means.currency),
      home: row.home,
      askedMs: ask.createdMs,
      expiresMs: ask.expiresMs,
      offers: offers.get(ask.askId) ?? 0,
      counters: (counters.get(ask.askId) ?? []).map(([handle, { price, note }]) => ({
        handle,
        price: amountView(BigInt(price), ask.token, means.currency),
        note,
      })),
    };
  });
  return asks.sort((one, other) => other.askedMs - one.askedMs);
}

function grantView({ means, desk, clock }: ResearchHouse, grantId: Hex, grant: ResearchGrantRow): GrantView {
  const { signed, vitals, fromSeconds, untilSeconds, consent } = offerOf(grant);
  const row = desk.get('ask', grant.askId);
  const ask = row === undefined ? null : askOf(row);
  const phase = phaseOf(grant, clock.now());
  return {
    grantId,
    askId: grant.askId,
    subject: null,
    organisation: means.keys?.keyOf(grant.home)?.name ?? '',
    title: ask?.title ?? '',
    purpose: ask?.purpose ?? '',
    vitals,
    fromMs: fromSeconds * 1000,
    untilMs: untilSeconds * 1000,
    price: amountView(signed.offer.price, signed.offer.token, means.currency),
    phase,
    deadlineMs: deadlineMsOf(grant, phase),
    offeredMs: grant.offeredMs,
    purchaseTransaction: grant.purchaseTransaction,
    consent,
    accesses: grant.accesses,
    buyer: signed.offer.buyer,
    signing: null,
  };
}

function accessesOf({ desk, means }: ResearchHouse): readonly AccessView[] {
  const rows = [...desk.all('access').values()].sort((one, other) => other.atMs - one.atMs);
  const { organisation } = means;
  return rows.slice(0, researchLimits.accessesShownMax).map((row) => accessView(row, { organisation, anchor: null }));
}
