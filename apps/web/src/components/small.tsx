import type { PatientView } from '@pulsemesh/node/api';
import type { ReactNode } from 'react';
import { formatMoment, shortId } from '../format.ts';

/** A moment with its zone; the machine-readable form rides along. */
export function Moment({ ms, nowMs }: { readonly ms: number; readonly nowMs: number }) {
  return <time dateTime={new Date(ms).toISOString()}>{formatMoment(ms, nowMs)}</time>;
}

/** A patient's name, kept apart from the text around it whatever script it is in; or what its device is called. */
export function PatientName({ patient }: { readonly patient: Pick<PatientView, 'name' | 'userId'> }) {
  if (patient.name !== null && patient.name !== '') return <bdi>{patient.name}</bdi>;
  return (
    <>
      Unregistered device <bdi className="quiet-id">{shortId(patient.userId)}</bdi>
    </>
  );
}

/** The same as plain text, for labels. */
export function patientLabel(patient: Pick<PatientView, 'name' | 'userId'>): string {
  return patient.name !== null && patient.name !== '' ? patient.name : `Unregistered device ${shortId(patient.userId)}`;
}

/** What is shown where there is nothing, or nothing yet. */
export function Notice(props: {
  readonly title: string;
  readonly children?: ReactNode;
  readonly tone?: 'plain' | 'problem';
}) {
  return (
    <div className={`notice notice-${props.tone ?? 'plain'}`} role={props.tone === 'problem' ? 'alert' : undefined}>
      <p className="notice-title">{props.title}</p>
      {props.children}
    </div>
  );
}

export function Loading({ what }: { readonly what: string }) {
  return (
    <div className="loading" role="status">
      <span className="loading-line" aria-hidden="true" />
      Loading {what}…
    </div>
  );
}

/** Shown wherever a result is. */
export function Disclaimer({ text }: { readonly text: string | undefined }) {
  return <p className="disclaimer">{text ?? 'Screening, not diagnosis.'}</p>;
}

/** Title of a page; it takes the focus when the page is opened, so that a screen reader starts there. */
export function PageTitle({ children, aside }: { readonly children: ReactNode; readonly aside?: ReactNode }) {
  return (
    <div className="page-title">
      <h1 tabIndex={-1}>{children}</h1>
      {aside}
    </div>
  );
}

/** The sign of Pulsemesh; the word beside it says the name. */
export function BrandMark() {
  return (
    <svg className="brand-mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M4 17h6l2.5-6 5 12 3-8 1.5 2h6" />
    </svg>
  );
}
