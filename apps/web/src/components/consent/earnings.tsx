import type { EarningsView, GrantView, Hex } from '@pulsemesh/node/api';
import { type FormEvent, useState } from 'react';
import { amountToField, formatAmount, parseAmount } from '../../consent/amount.ts';
import { useAct } from '../../consent/use-act.ts';
import { shortId } from '../../format.ts';
import { Line, Problem } from './parts.tsx';

type Earned = EarningsView['amounts'][number];

/** Sends money from a grant's purse. @returns the transaction. */
export type Withdraw = (earned: Earned, to: Hex, amount: string) => Promise<Hex>;

/** What was earned, grant by grant, and the way to draw it. */
export function Earnings(props: {
  readonly earnings: EarningsView;
  readonly grants: readonly GrantView[];
  readonly onWithdraw: Withdraw;
}) {
  const { earnings, grants, onWithdraw } = props;
  if (earnings.amounts.length === 0) {
    return <p className="quiet">Nothing yet. You are credited when a buyer has the key to what you agreed to.</p>;
  }
  return (
    <ul className="task-list">
      {earnings.amounts.map((earned) => {
        const grant = grants.find(({ grantId }) => grantId === earned.grantId);
        return (
          <li key={`${earned.grantId} ${earned.token}`} className="panel">
            <Purse earned={earned} grant={grant ?? null} onWithdraw={onWithdraw} />
          </li>
        );
      })}
    </ul>
  );
}

function Purse(props: { readonly earned: Earned; readonly grant: GrantView | null; readonly onWithdraw: Withdraw }) {
  const { earned, grant, onWithdraw } = props;
  const [isOpen, setIsOpen] = useState(false);
  const [sent, setSent] = useState<Hex | null>(null);
  const title = grant?.title ?? `consent ${shortId(earned.grantId)}`;
  const canDraw = earned.withdrawable !== '0' && grant !== null && grant.signing !== null;
  return (
    <>
      <div className="task-head">
        <h3>
          <bdi>{title}</bdi>
        </h3>
        <p className="earned">
          <strong>{formatAmount(earned.units, earned)}</strong> earned, {formatAmount(earned.withdrawable, earned)} in
          your purse
        </p>
      </div>
      {sent === null ? null : (
        <p role="status" className="checked">
          Sent, as transaction <span className="id">{shortId(sent)}</span>. The purse shows it once it is in a block.
        </p>
      )}
      {!canDraw ? null : isOpen ? (
        <WithdrawForm
          earned={earned}
          onCancel={() => setIsOpen(false)}
          onWithdraw={async (to, amount) => {
            setSent(await onWithdraw(earned, to, amount));
            setIsOpen(false);
          }}
        />
      ) : (
        <button type="button" className="button-quiet" onClick={() => setIsOpen(true)}>
          Withdraw to an account<span className="visually-hidden"> what {title} earned</span>
        </button>
      )}
    </>
  );
}

function WithdrawForm(props: {
  readonly earned: Earned;
  readonly onWithdraw: (to: Hex, amount: string) => Promise<void>;
  readonly onCancel: () => void;
}) {
  const { earned, onWithdraw, onCancel } = props;
  const [to, setTo] = useState('');
  const [typed, setTyped] = useState(amountToField(earned.withdrawable, earned.decimals));
  const [errors, setErrors] = useState<{ readonly to?: string; readonly amount?: string }>({});
  const act = useAct();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const checked = checkWithdrawal(to, typed, earned);
    setErrors(checked.kind === 'invalid' ? checked.errors : {});
    if (checked.kind === 'valid') void act.run('withdraw', () => onWithdraw(checked.to, checked.amount));
  };
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <Line
        label="To which account"
        hint="0x and 40 digits. It is public that this account was paid: whoever knows that it is yours then knows that you sold data."
        name="to"
        value={to}
        charsMax={42}
        error={errors.to}
        onChange={setTo}
      />
      <Line
        label={`How much, in ${earned.symbol}`}
        name="amount"
        value={typed}
        charsMax={40}
        error={errors.amount}
        onChange={setTyped}
      />
      <div className="form-actions">
        <button type="submit" className="button" disabled={act.busy !== null}>
          {act.busy === null ? 'Withdraw with my passkey' : 'Waiting…'}
        </button>
        <button type="button" className="button-quiet" disabled={act.busy !== null} onClick={onCancel}>
          Back
        </button>
      </div>
      <Problem text={act.problem} />
    </form>
  );
}

type CheckedWithdrawal =
  | { readonly kind: 'valid'; readonly to: Hex; readonly amount: string }
  | { readonly kind: 'invalid'; readonly errors: { readonly to?: string; readonly amount?: string } };

/** What was typed, checked: an account, and an amount that is there. */
export function checkWithdrawal(
  to: string,
  typed: string,
  earned: Pick<Earned, 'withdrawable' | 'decimals' | 'symbol'>,
): CheckedWithdrawal {
  const account = to.trim().toLowerCase();
  const amount = parseAmount(typed, earned.decimals);
  const isAccount = /^0x[0-9a-f]{40}$/.test(account) && !/^0x0{40}$/.test(account);
  const isThere = amount !== null && amount !== '0' && BigInt(amount) <= BigInt(earned.withdrawable);
  if (isAccount && isThere) return { kind: 'valid', to: account as Hex, amount };
  return {
    kind: 'invalid',
    errors: {
      ...(isAccount ? {} : { to: 'An account is 0x and 40 digits (0–9, a–f).' }),
      ...(isThere ? {} : { amount: `More than nothing, and at most ${formatAmount(earned.withdrawable, earned)}.` }),
    },
  };
}
