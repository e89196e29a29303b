import { LedgerNote } from '../components/consent/parts.tsx';
import { Loading, Notice, PageTitle, PatientName } from '../components/small.tsx';
import { formatPlural } from '../format.ts';
import { usePageState } from '../state/hooks.ts';
import { routeHref } from '../state/route.ts';

/** Whose requests wait, and the way to each patient's consent. */
export function ConsentsPage() {
  const { patients, profile } = usePageState();
  if (patients === null || profile === null) return <Loading what="consent" />;
  const waitingOf = (subject: string) => profile.waiting.find((one) => one.subject === subject);
  const people = [...patients.values()]
    .filter(({ isRegistered }) => isRegistered)
    .sort((a, b) => {
      const [first, second] = [waitingOf(a.subject), waitingOf(b.subject)];
      const weight = (of: typeof first) => (of === undefined ? 0 : 1_000 * of.alarms + of.asks);
      return weight(second) - weight(first) || (a.name ?? a.userId).localeCompare(b.name ?? b.userId);
    });
  return (
    <>
      <PageTitle>Consent</PageTitle>
      <p className="lead">
        Whoever wants to read a patient’s records asks, and the patient says yes or no, with a passkey. Every read after
        a yes is written down where nobody can remove it, and stands on the patient’s own page.
      </p>
      <LedgerNote ledger={profile.ledger} />
      {people.length === 0 ? (
        <Notice title="Nobody is registered yet.">
          <p>
            <a href={routeHref({ page: 'people' })}>Register a patient</a> first.
          </p>
        </Notice>
      ) : (
        <ul className="task-list">
          {people.map((person) => {
            const waiting = waitingOf(person.subject);
            return (
              <li key={person.subject} className="panel consent-row">
                <h2>
                  <a href={routeHref({ page: 'consent', subject: person.subject })}>
                    <PatientName patient={person} />
                  </a>
                </h2>
                <span className="chips">
                  {waiting === undefined || waiting.alarms === 0 ? null : (
                    <span className="chip chip-bad">{formatPlural(waiting.alarms, 'alarm', 'alarms')}</span>
                  )}
                  {waiting === undefined || waiting.asks === 0 ? (
                    <span className="chip">nothing waits</span>
                  ) : (
                    <span className="chip chip-live">
                      {formatPlural(waiting.asks, 'request waits', 'requests wait')}
                    </span>
                  )}
                </span>
              </li>
            );
          })}
        </ul>
      )}
      <p>
        <a href={routeHref({ page: 'audit' })}>All that is public, checked in this browser</a>
      </p>
    </>
  );
}
