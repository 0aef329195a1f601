import { listRotations, rotateCredential, type ReplyOf, type RequestOf } from '@keymesh/contracts';
import type { Call } from '@keymesh/mesh';
import { Rpc } from '@keymesh/service-kit';
import { Controller, Inject } from '@nestjs/common';
import type { makeListRotations } from '../operations/list-rotations.js';
import type { makeRotateCredential } from '../operations/rotate-credential.js';
import { LIST_ROTATIONS, ROTATE_CREDENTIAL } from './tokens.js';

@Controller()
export class RotationController {
  constructor(
    @Inject(ROTATE_CREDENTIAL) private readonly rotate: ReturnType<typeof makeRotateCredential>,
    @Inject(LIST_ROTATIONS) private readonly list: ReturnType<typeof makeListRotations>,
  ) {}

  @Rpc(rotateCredential)
  rotateCredential(
    request: RequestOf<typeof rotateCredential>,
    call: Call,
  ): Promise<ReplyOf<typeof rotateCredential>> {
    return this.rotate(request, call);
  }

  @Rpc(listRotations)
  listRotations(
    request: RequestOf<typeof listRotations>,
    call: Call,
  ): Promise<ReplyOf<typeof listRotations>> {
    return this.list(request, call);
  }
}
