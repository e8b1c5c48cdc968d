import { Injectable } from '@nestjs/common';
import { EventBus, OnQueue, type MessageContext } from '@nest-messaging/core';
import { setTimeout as work } from 'node:timers/promises';
import { PackParcel, ParcelPacked, type Parcel } from '../contracts/parcels.js';

let hired = 0;

@Injectable()
export class Packer {
  private readonly name = `packer ${process.pid}.${++hired}`;

  constructor(private readonly events: EventBus) {}

  /** One parcel at a time: the next goes to whichever packer is free. */
  @OnQueue(PackParcel, { concurrency: 1 })
  async pack(parcel: Parcel, { signal }: MessageContext): Promise<string> {
    await work(400, undefined, { signal });
    await this.events.publish(ParcelPacked, parcel);
    return `${this.name} has packed the ${parcel.item}`;
  }
}
