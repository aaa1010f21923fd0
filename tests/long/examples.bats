# The two examples at full size, three seeds each, against what they claim.

load ../cli/helper

ATLAS=/usr/share/mricron/templates

# The mean over seeds of the value in lines with a pattern:
# mean_at_least BOUND PATTERN FILE...
mean_at_least() {
    local bound=$1 pattern=$2
    shift 2
    grep -h "$pattern" "$@" | sed 's/.*"value":\([0-9.e-]*\).*/\1/' |
        awk -v bound="$bound" '{ sum += $1 }
            END { print "mean", sum / NR, "bound", bound
                  exit !(NR == 3 && sum / NR >= bound) }'
}

@test "pneumonia: the mean of three seeds clears logistic regression" {
    need_data images/pneumoniamnist
    use_release
    for seed in 1 2 3; do
        bash "$ROOT/examples/pneumonia/run.sh" \
            "$MEDVL_DATA/images/pneumoniamnist" $seed >scores$seed
        [ "$(wc -l <scores$seed)" -eq 3 ]
    done
    mean_at_least 0.94 '"metric":"auc"' scores?
    mean_at_least 0.86 '"metric":"balanced_accuracy"' scores?
    mean_at_least 0.88 '"metric":"accuracy"' scores?
}

@test "demo: the mean of three seeds answers every kind of question" {
    [ -e "$ATLAS/aal.nii.gz" ] || skip "mricron-data is not installed"
    use_release
    for seed in 1 2 3; do
        bash "$ROOT/examples/demo/run.sh" "$PWD/work" $seed |
            grep '^{' >scores$seed
        rm -r work
    done
    mean_at_least 0.90 '"exact".*"kind":"plane"' scores?
    mean_at_least 0.75 '"exact".*"kind":"species"' scores?
    mean_at_least 0.85 '"exact".*"kind":"side"' scores?
    mean_at_least 0.35 '"exact".*"kind":"structure"' scores?
    mean_at_least 0.62 '"exact".*"kind":"lobe"' scores?
    mean_at_least 0.33 '"metric":"iou".*"kind":"where"' scores?
    mean_at_least 0.52 '"metric":"iou@0.3".*"kind":"where"' scores?
}
