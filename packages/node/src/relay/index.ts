export {
  type AgentNetwork,
  agentFileNames,
  type EnrolAgentOptions,
  enrolAgent,
  NoTokenError,
  type RunningAgent,
  startAgent,
} from './agent.ts';
export { type AuthorityOperator, OperatorRefusedError, openAuthorityOperator } from './authority-operator.ts';
export { authorityFolderName } from './relay-authority.ts';
export { writeFileAtomically } from './write-file.ts';
