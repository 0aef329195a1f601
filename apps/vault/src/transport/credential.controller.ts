import {
  credentialHistory,
  deleteCredential,
  describeCredential,
  listCredentials,
  retrieveCredential,
  storeCredential,
  type RequestOf,
} from '@keymesh/contracts';
import type { Call } from '@keymesh/mesh';
import { Rpc } from '@keymesh/service-kit';
import { Controller, Inject } from '@nestjs/common';
import { OPERATIONS, type VaultOperations } from './operations.js';

/** What clients ask for. */
@Controller()
export class CredentialController {
  constructor(@Inject(OPERATIONS) private readonly operations: VaultOperations) {}

  @Rpc(storeCredential)
  storeCredential(request: RequestOf<typeof storeCredential>, call: Call) {
    return this.operations.storeCredential(request, call);
  }

  @Rpc(retrieveCredential)
  retrieveCredential(request: RequestOf<typeof retrieveCredential>, call: Call) {
    return this.operations.retrieveCredential(request, call);
  }

  @Rpc(listCredentials)
  listCredentials(request: RequestOf<typeof listCredentials>, call: Call) {
    return this.operations.listCredentials(request, call);
  }

  @Rpc(describeCredential)
  describeCredential(request: RequestOf<typeof describeCredential>, call: Call) {
    return this.operations.describeCredential(request, call);
  }

  @Rpc(credentialHistory)
  credentialHistory(request: RequestOf<typeof credentialHistory>, call: Call) {
    return this.operations.credentialHistory(request, call);
  }

  @Rpc(deleteCredential)
  deleteCredential(request: RequestOf<typeof deleteCredential>, call: Call) {
    return this.operations.deleteCredential(request, call);
  }
}
