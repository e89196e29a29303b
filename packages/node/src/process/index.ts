export { runNode } from './run-node.ts';
export { type RunningNode, startNode } from './start-node.ts';
