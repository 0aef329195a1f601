import type { activateCredential } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import { makeSetStatus, type SetStatusPorts } from './set-status.js';

/** Hands a deactivated credential out again; asked again it changes nothing. @throws as deactivateCredential */
export const makeActivateCredential = (ports: SetStatusPorts): Handler<typeof activateCredential> =>
  makeSetStatus(ports, 'credential.activated', 'active');
