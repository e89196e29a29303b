import type { GrantView, Hex, LedgerView } from '@pulsemesh/node/api';
import { useEffect, useState } from 'react';
import { formatPrice } from '../../consent/amount.ts';
import { type Act, useAct } from '../../consent/use-act.ts';
import { purchaseWords, type SentPurchase } from '../../consent/use-transactions.ts';
import { phaseWords, purposeWords, spanWords, vitalWords } from '../../consent/words.ts';
import { formatPlural, shortId } from '../../format.ts';
import { ActButton, PhaseChip, PhaseClock, Problem, Term } from '../consent/parts.tsx';
import { Moment } from '../small.tsx';
import type { ChosenWallet } from './wallet-panel.tsx';

export interface PurchaseActions {
  readonly buyWithWallet: (grantId: Hex, chosen: ChosenWallet) => Promise<void>;
  readonly buy: (grantId: Hex) => Promise<void>;
  readonly refund: (grantId: Hex) => Promise<void>;
  /** Says that the key on the ledger opens nothing: with a wallet, or, where that is null, with the office's own account. */
  readonly dispute: (grantId: Hex, chosen: ChosenWallet | null) => Promise<void>;
  /** Whether the key came and its receipt waits for a signature. */
  readonly hasReceipt: (grantId: Hex) => Promise<boolean>;
  /** Signs that the key came. */
  readonly confirm: (grantId: Hex, chosen: ChosenWallet) => Promise<void>;
  readonly save: (grantId: Hex, format: 'fhir' | 'csv') => Promise<void>;
}

export interface PurchaseCardProps {
  readonly grant: GrantView;
  readonly ledger: LedgerView | null;
  readonly nowMs: number;
  readonly chosen: ChosenWallet | null;
  /** The office's own account; null: none. */
  readonly ownAccount: Hex | null;
  readonly sent: SentPurchase | undefined;
  readonly actions: PurchaseActions;
}

/** A patient's yes as the researcher sees it: no name, the price, where it stands, and what to do next. */
export function PurchaseCard(props: PurchaseCardProps) {
  const { grant, nowMs, sent } = props;
  const words = purchaseWords(sent, grant.phase);
  const titleId = `offer-${grant.grantId}`;
  return (
    <article className="panel grant" aria-labelledby={titleId}>
      <div className="task-head">
        <h3 id={titleId}>
          <bdi>{grant.title}</bdi> <span className="quiet-id">{shortId(grant.grantId)}</span>
        </h3>
        <PhaseChip phase={grant.phase} />
      </div>
      <p>{phaseWords[grant.phase].researcher}</p>
      <PhaseClock phase={grant.phase} deadlineMs={grant.deadlineMs} nowMs={nowMs} />
      {words === null ? null : (
        <p role="status" className={sent?.state.kind === 'failed' ? 'problem' : 'checked'}>
          {words}
        </p>
      )}
      <dl className="terms">
        <Term name="Compensation">{formatPrice(grant.price)}</Term>
        <Term name="Paid by">
          <span className="id" title={grant.buyer}>
            {shortId(grant.buyer)}
          </span>
        </Term>
        <Term name="For">
          <bdi>{purposeWords(grant.purpose)}</bdi>
        </Term>
        <Term name="Data">{vitalWords(grant.vitals)}</Term>
        <Term name="Recorded">{spanWords(grant.fromMs, grant.untilMs)}</Term>
        <Term name="Offered">
          <Moment ms={grant.offeredMs} nowMs={nowMs} />
        </Term>
        <Term name="Read so far">{formatPlural(grant.accesses, 'time', 'times')}</Term>
      </dl>
      <NextStep {...props} />
    </article>
  );
}

/** Looks for the key's receipt whenever the office says something new of the grant. */
function useReceipt(grant: GrantView, isAsked: boolean, { hasReceipt }: PurchaseActions): boolean {
  const [found, setFound] = useState<Hex | null>(null);
  const { grantId, phase } = grant;
  const isOpen = isAsked && (phase === 'paid' || phase === 'delivered');
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new view of the grant is a reason to look
  useEffect(() => {
    if (!isOpen || found === grantId) return;
    let isHere = true;
    // What fails is looked for again with the next view.
    void hasReceipt(grantId).then(
      (isThere) => {
        if (isHere && isThere) setFound(grantId);
      },
      () => undefined,
    );
    return () => {
      isHere = false;
    };
  }, [grant, isOpen, hasReceipt]);
  return isOpen && found === grantId;
}

function NextStep(props: PurchaseCardProps) {
  const { grant, ledger, nowMs, chosen, ownAccount, actions } = props;
  const act = useAct();
  const { phase, deadlineMs } = grant;
  const buyer = grant.buyer.toLowerCase();
  const isOver = deadlineMs !== null && deadlineMs <= nowMs;
  const isOffice = ownAccount?.toLowerCase() === buyer || ledger?.kind === 'board';
  const isWallet = chosen?.account.toLowerCase() === buyer;
  const hasReceipt = useReceipt(grant, !isOffice && !isOver, actions);
  const buttons = [
    ...(phase === 'offered' && !isOver ? purchaseButtons(props, act, isOffice) : []),
    ...(hasReceipt && isWallet ? [confirmButton(props, act, chosen)] : []),
    ...(phase === 'delivered' && !isOver && (isOffice || isWallet) ? [disputeButton(props, act, isOffice)] : []),
    ...(phase === 'paid' && isOver ? [refundButton(props, act)] : []),
    ...(phase === 'active' && !isOver ? readButtons(props, act) : []),
  ];
  const isComing = (phase === 'paid' || phase === 'delivered') && !isOver && !hasReceipt;
  const needsWallet =
    (phase === 'offered' || phase === 'paid' || phase === 'delivered') && !isOver && !isOffice && !isWallet;
  return (
    <>
      {needsWallet ? (
        <p className="hint">
          The account {shortId(grant.buyer)} has to act next: choose it in a wallet under “Who pays”.
        </p>
      ) : null}
      {isComing ? <p className="hint">The key has not come yet. This page shows it when it does.</p> : null}
      {buttons.length === 0 ? null : <div className="form-actions">{buttons}</div>}
      {phase === 'active' && !isOver ? (
        <p className="hint">
          Each read is logged, and the patient sees it. What you read is for screening research, not diagnosis.
        </p>
      ) : null}
      <Problem text={act.problem} />
    </>
  );
}

function purchaseButtons({ grant, chosen, sent, actions }: PurchaseCardProps, act: Act, isOffice: boolean) {
  const { grantId, price, buyer } = grant;
  const what = price.units === '0' ? 'Take it up' : `Pay ${formatPrice(price)}`;
  if (isOffice) {
    return [
      <ActButton key="buy" act={act} name="buy" busyText="Taking it up…" onPress={() => actions.buy(grantId)}>
        {price.units === '0' ? what : `${what} from the office`}
      </ActButton>,
    ];
  }
  if (chosen?.account.toLowerCase() !== buyer.toLowerCase()) return [];
  return [
    <ActButton
      key="wallet"
      act={act}
      name="wallet"
      busyText="Waiting for the wallet…"
      isDisabled={sent !== undefined && ['pending', 'unknown', 'sealed'].includes(sent.state.kind)}
      onPress={() => actions.buyWithWallet(grantId, chosen)}
    >
      {what} with {chosen.wallet.name}
    </ActButton>,
  ];
}

function confirmButton({ grant, actions }: PurchaseCardProps, act: Act, chosen: ChosenWallet) {
  return (
    <ActButton
      key="confirm"
      act={act}
      name="confirm"
      busyText="Waiting for the wallet…"
      onPress={() => actions.confirm(grant.grantId, chosen)}
    >
      Sign that the key came
    </ActButton>
  );
}

function refundButton({ grant, actions }: PurchaseCardProps, act: Act) {
  return (
    <ActButton key="refund" act={act} name="refund" busyText="Asking…" onPress={() => actions.refund(grant.grantId)}>
      Take my money back
    </ActButton>
  );
}

function disputeButton({ grant, chosen, actions }: PurchaseCardProps, act: Act, isOffice: boolean) {
  return (
    <ActButton
      key="dispute"
      act={act}
      name="dispute"
      busyText={isOffice ? 'Objecting…' : 'Waiting for the wallet…'}
      isQuiet
      isGrave
      onPress={() => actions.dispute(grant.grantId, isOffice ? null : chosen)}
    >
      Object: the key opens nothing
    </ActButton>
  );
}

function readButtons({ grant, actions }: PurchaseCardProps, act: Act) {
  return (['fhir', 'csv'] as const).map((format) => (
    <ActButton
      key={format}
      act={act}
      name={format}
      busyText="Reading…"
      isQuiet={format === 'csv'}
      onPress={() => actions.save(grant.grantId, format)}
    >
      Read and save as {format === 'fhir' ? 'FHIR' : 'CSV'}
    </ActButton>
  ));
}
