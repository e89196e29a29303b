import type { PatientInput, PatientView } from '@pulsemesh/node/api';
import { PatientForm } from '../components/patient-form.tsx';
import { Loading, Notice, PageTitle, PatientName } from '../components/small.tsx';
import { usePageState, useTools } from '../state/hooks.ts';
import { draftOf, emptyDraft } from '../state/patient-form.ts';
import { routeHref } from '../state/route.ts';

/** Who is registered, and which devices are nobody's yet. */
export function PeoplePage() {
  const { patients } = usePageState();
  if (patients === null) return <Loading what="people" />;
  const byName = [...patients.values()].sort((a, b) => (a.name ?? a.userId).localeCompare(b.name ?? b.userId));
  const registered = byName.filter((patient) => patient.isRegistered);
  const unregistered = byName.filter((patient) => !patient.isRegistered);
  return (
    <>
      <PageTitle
        aside={
          <a className="button" href={routeHref({ page: 'person', subject: null })}>
            Register a patient
          </a>
        }
      >
        People
      </PageTitle>
      {unregistered.length === 0 ? null : <UnregisteredDevices devices={unregistered} />}
      {registered.length === 0 ? (
        <Notice title="Nobody is registered yet.">
          <p>Readings of an unregistered device are kept, and nobody is told of them.</p>
        </Notice>
      ) : (
        <PeopleTable people={registered} />
      )}
    </>
  );
}

function UnregisteredDevices({ devices }: { readonly devices: readonly PatientView[] }) {
  return (
    <section className="panel" aria-labelledby="unregistered-title">
      <h2 id="unregistered-title">Devices nobody is registered for</h2>
      <p className="quiet">Their readings are kept; nobody is told of them until somebody is registered.</p>
      <ul className="device-list">
        {devices.map((device) => (
          <li key={device.subject}>
            <bdi className="id">{device.userId}</bdi>
            <a className="button-quiet" href={routeHref({ page: 'person', subject: device.subject })}>
              Register<span className="visually-hidden"> device {device.userId}</span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function PeopleTable({ people }: { readonly people: readonly PatientView[] }) {
  return (
    <div className="table-frame">
      <table className="table table-stack table-wide">
        <caption className="visually-hidden">Registered patients</caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">E-mail</th>
            <th scope="col">Doctor</th>
            <th scope="col">Told of alerts</th>
            <th scope="col">
              <span className="visually-hidden">Change</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {people.map((person) => (
            <tr key={person.subject}>
              <th scope="row">
                <a href={routeHref({ page: 'patient', subject: person.subject })}>
                  <PatientName patient={person} />
                </a>
              </th>
              <td data-label="E-mail">
                <bdi>{person.email ?? 'none'}</bdi>
              </td>
              <td data-label="Doctor">
                <bdi>{person.doctor?.name ?? 'none'}</bdi>
              </td>
              <td data-label="Told of alerts">{toldText(person)}</td>
              <td>
                <a className="button-quiet" href={routeHref({ page: 'person', subject: person.subject })}>
                  Change<span className="visually-hidden"> {person.name}</span>
                </a>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function toldText(person: PatientView): string {
  const told = [...(person.tells.patient ? ['patient'] : []), ...(person.tells.doctor ? ['doctor'] : [])];
  return told.length === 0 ? 'nobody' : told.join(' and ');
}

/** Registers a patient (`subject` null) or changes one. */
export function PersonPage({ subject }: { readonly subject: string | null }) {
  const { patients } = usePageState();
  const { client, store } = useTools();
  if (patients === null) return <Loading what="the patient" />;
  const patient = subject === null ? null : (patients.get(subject) ?? null);
  if (subject !== null && patient === null) return <Notice title="Nobody here has this address." />;

  const isNew = patient === null || !patient.isRegistered;
  const save = async (input: PatientInput) => {
    const saved = patient?.isRegistered ? await client.change(patient.subject, input) : await client.register(input);
    store.putPatients([saved]);
    window.location.hash = routeHref({ page: 'people' });
  };
  return (
    <>
      <p className="crumbs">
        <a href={routeHref({ page: 'people' })}>People</a>
      </p>
      <PageTitle>{isNew ? 'Register a patient' : <PatientName patient={patient} />}</PageTitle>
      <PatientForm
        key={subject ?? 'new'}
        initial={patient === null ? emptyDraft : draftOf(patient)}
        isUserIdFixed={patient !== null}
        submitLabel={isNew ? 'Register' : 'Save'}
        onSubmit={save}
        cancelHref={routeHref({ page: 'people' })}
      />
    </>
  );
}
