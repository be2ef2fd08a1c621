// A view that follows a run at its own pace, however fast events come. What a person does is drawn at once.
import { Component } from "../vendor/preact.mjs";

export class Paced extends Component {
  shouldComponentUpdate({ state }, own) {
    return own !== this.state || this.due(state);
  }

  // Every `every` milliseconds; one such view a frame, so that they do not all fall into the same one.
  due(state) {
    const now = performance.now();
    if (state.turn === this.turn && state.log.fold === this.fold && state.moves) {
      const waited = now - this.drawn;
      const { every } = this.constructor;
      if (waited < every || (state.paced === state.frame && waited < 2 * every)) return false;
    }
    state.paced = state.frame;
    Object.assign(this, { drawn: now, turn: state.turn, fold: state.log.fold });
    return true;
  }
}
