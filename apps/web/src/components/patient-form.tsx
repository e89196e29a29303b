import type { PatientInput } from '@pulsemesh/node/api';
import { type FormEvent, type ReactNode, useId, useRef, useState } from 'react';
import {
  checkDraft,
  type DraftErrors,
  emailCharsMax,
  nameCharsMax,
  type PatientDraft,
  userIdCharsMax,
} from '../state/patient-form.ts';

export interface PatientFormProps {
  readonly initial: PatientDraft;
  /** The wearable's id of an existing patient stays. */
  readonly isUserIdFixed: boolean;
  readonly submitLabel: string;
  /** Ends when it is stored; its rejection is shown. */
  readonly onSubmit: (input: PatientInput) => Promise<void>;
  readonly cancelHref: string;
}

type Change = <K extends keyof PatientDraft>(key: K, value: PatientDraft[K]) => void;

interface PartProps {
  readonly draft: PatientDraft;
  readonly errors: DraftErrors;
  readonly change: Change;
}

/** Registers a patient, or changes one: who wears the device, who is told what. */
export function PatientForm({ initial, isUserIdFixed, submitLabel, onSubmit, cancelHref }: PatientFormProps) {
  const [draft, setDraft] = useState(initial);
  const [errors, setErrors] = useState<DraftErrors>({});
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const formRef = useRef<HTMLFormElement>(null);
  const change: Change = (key, value) => setDraft((before) => ({ ...before, [key]: value }));

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const checked = checkDraft(draft);
    setErrors(checked.kind === 'invalid' ? checked.errors : {});
    if (checked.kind === 'invalid') {
      const first = Object.keys(checked.errors)[0];
      formRef.current?.querySelector<HTMLElement>(`[name="${first}"]`)?.focus();
      return;
    }
    setIsBusy(true);
    setProblem(null);
    try {
      await onSubmit(checked.input);
    } catch (error) {
      setProblem(`Not saved. ${error instanceof Error ? error.message : 'Try again.'}`);
      setIsBusy(false);
    }
  };

  const part = { draft, errors, change };
  return (
    <form className="panel form" ref={formRef} onSubmit={(event) => void submit(event)} noValidate>
      <WearerFields {...part} isUserIdFixed={isUserIdFixed} />
      <DoctorFields {...part} />
      <TellFields {...part} />
      {problem === null ? null : (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <div className="form-actions">
        <button type="submit" className="button" disabled={isBusy}>
          {isBusy ? 'Saving…' : submitLabel}
        </button>
        <a className="button-quiet" href={cancelHref}>
          Cancel
        </a>
      </div>
    </form>
  );
}

function WearerFields({ draft, errors, change, isUserIdFixed }: PartProps & { readonly isUserIdFixed: boolean }) {
  return (
    <fieldset>
      <legend>Patient and device</legend>
      <TextField
        label="Device's user id"
        hint="What the wearable sends as userId."
        name="userId"
        value={draft.userId}
        error={errors.userId}
        isReadOnly={isUserIdFixed}
        charsMax={userIdCharsMax}
        onChange={(value) => change('userId', value)}
      />
      <TextField
        label="Name"
        name="name"
        value={draft.name}
        error={errors.name}
        charsMax={nameCharsMax}
        onChange={(value) => change('name', value)}
      />
      <TextField
        label="E-mail"
        name="email"
        type="email"
        value={draft.email}
        error={errors.email}
        charsMax={emailCharsMax}
        onChange={(value) => change('email', value)}
      />
      <LanguageField label="Language of mails" value={draft.language} onChange={(value) => change('language', value)} />
      <Choice label="Device">
        <select
          value={draft.deviceKind}
          onChange={(event) => change('deviceKind', event.target.value === 'replay' ? 'replay' : 'live')}
        >
          <option value="live">worn now</option>
          <option value="replay">replays a recording (its times are kept)</option>
        </select>
      </Choice>
    </fieldset>
  );
}

function DoctorFields({ draft, errors, change }: PartProps) {
  return (
    <fieldset>
      <legend>Doctor</legend>
      <Tick
        label="This patient has a doctor who may be told"
        isOn={draft.hasDoctor}
        onChange={(isOn) => {
          change('hasDoctor', isOn);
          change('tellsDoctor', isOn);
        }}
      />
      {draft.hasDoctor ? (
        <>
          <TextField
            label="Doctor's name"
            name="doctorName"
            value={draft.doctorName}
            error={errors.doctorName}
            charsMax={nameCharsMax}
            onChange={(value) => change('doctorName', value)}
          />
          <TextField
            label="Doctor's e-mail"
            name="doctorEmail"
            type="email"
            value={draft.doctorEmail}
            error={errors.doctorEmail}
            charsMax={emailCharsMax}
            onChange={(value) => change('doctorEmail', value)}
          />
          <LanguageField
            label="Language of the doctor's mails"
            value={draft.doctorLanguage}
            onChange={(value) => change('doctorLanguage', value)}
          />
        </>
      ) : null}
    </fieldset>
  );
}

function TellFields({ draft, change }: PartProps) {
  return (
    <fieldset>
      <legend>Who is told of an irregular rhythm, by mail</legend>
      <Tick label="The patient" isOn={draft.tellsPatient} onChange={(isOn) => change('tellsPatient', isOn)} />
      <Tick
        label="The doctor"
        isOn={draft.hasDoctor && draft.tellsDoctor}
        isDisabled={!draft.hasDoctor}
        onChange={(isOn) => change('tellsDoctor', isOn)}
      />
    </fieldset>
  );
}

interface TextFieldProps {
  readonly label: string;
  readonly hint?: string;
  readonly name: string;
  readonly type?: 'text' | 'email';
  readonly value: string;
  readonly error: string | undefined;
  readonly isReadOnly?: boolean;
  readonly charsMax: number;
  readonly onChange: (value: string) => void;
}

function TextField(props: TextFieldProps) {
  const id = useId();
  const hintId = props.hint === undefined ? '' : `${id}-hint`;
  const errorId = props.error === undefined ? '' : `${id}-error`;
  return (
    <div className="field">
      <label htmlFor={id}>{props.label}</label>
      <input
        id={id}
        name={props.name}
        type={props.type ?? 'text'}
        value={props.value}
        readOnly={props.isReadOnly ?? false}
        maxLength={props.charsMax}
        autoComplete="off"
        aria-invalid={props.error !== undefined}
        aria-describedby={`${hintId} ${errorId}`.trim() || undefined}
        onChange={(event) => props.onChange(event.target.value)}
      />
      {props.hint === undefined ? null : (
        <p className="hint" id={hintId}>
          {props.hint}
        </p>
      )}
      {props.error === undefined ? null : (
        <p className="problem" id={errorId}>
          {props.error}
        </p>
      )}
    </div>
  );
}

type Language = PatientInput['language'];
const languages: readonly { readonly code: Language; readonly name: string }[] = [
  { code: 'en', name: 'English' },
  { code: 'de', name: 'Deutsch' },
  { code: 'fr', name: 'Français' },
];

interface LanguageFieldProps {
  readonly label: string;
  readonly value: Language;
  readonly onChange: (value: Language) => void;
}

function LanguageField({ label, value, onChange }: LanguageFieldProps) {
  return (
    <Choice label={label}>
      <select
        value={value}
        onChange={(event) => onChange(languages.find(({ code }) => code === event.target.value)?.code ?? 'en')}
      >
        {languages.map(({ code, name }) => (
          <option key={code} value={code} lang={code}>
            {name}
          </option>
        ))}
      </select>
    </Choice>
  );
}

function Choice({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    <div className="field">
      {/* biome-ignore lint/a11y/noLabelWithoutControl: the select is its child */}
      <label>
        <span>{label}</span>
        {children}
      </label>
    </div>
  );
}

interface TickProps {
  readonly label: string;
  readonly isOn: boolean;
  readonly isDisabled?: boolean;
  readonly onChange: (isOn: boolean) => void;
}

function Tick({ label, isOn, isDisabled, onChange }: TickProps) {
  return (
    <label className="tick">
      <input
        type="checkbox"
        checked={isOn}
        disabled={isDisabled ?? false}
        onChange={(event) => onChange(event.target.checked)}
      />
      <span>{label}</span>
    </label>
  );
}
