#!/usr/bin/env bats
# medvl-train: runs that are killed more often.

load ../cli/helper
load ../cli/train

@test "kill -9 at 20 random moments: the resumed run ends the same" {
    tiny_text
    use_release
    kill_again_and_again 20 --epochs 2000 --dropout 0.1 --ema 0.9 \
        --save-every 5 --eval held.jsonl --eval-every 7 --samples 1 \
        --best eval_loss
}
