# SPDX-License-Identifier: MIT
#
# Completion of vmi-agent for bash.  bash-completion loads it by its name:
# share/bash-completion/completions/vmi-agent

_vmi_agent()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local options='--domid --name --abi --sim --events --output --duration
        --count --ring --split-rings --regs --batch --batch-sleep --reply --deny
        --on-death --deadline --reattach --takeover --spin --per-vcpu --privileged
        --no-disasm --quiet --list --status --release --probe --version --help
        --write --read --rotate --filter --stats-interval --metrics --rate-limit
        --guard --output-file --rearm
        --all --self-test-privilege -e -o -c -q -w -r -h'
    local events='guest-request cr0 cr3 cr4 xcr0 msr= cpuid int3 debug desc
        interrupt singlestep mem= privcall vmexit emul-unimplemented'
    local words=''

    COMPREPLY=()
    case $prev in
    --abi) words='auto v2 legacy' ;;
    -o | --output) words='text json journal' ;;
    --regs) words='none core all' ;;
    --on-death) words='detach hold crash' ;;
    --deny) words='cr0 cr3 cr4 msr' ;;
    --guard) words=default ;;
    --domid | --status | --release)
        words=$(vmi-agent --list -o json 2>/dev/null |
            sed -n 's/.*"domid":\([0-9]*\).*/\1/p')
        ;;
    --name)
        words=$(vmi-agent --list -o json 2>/dev/null |
            sed -n 's/.*"name":"\([^"]*\)".*/\1/p')
        ;;
    -e | --events)
        # One of a list: what stands before the last comma stays.
        local before=''
        [[ $cur != *,* ]] || before=${cur%,*},
        mapfile -t COMPREPLY < <(compgen -P "$before" -W "$events" \
            -- "${cur##*,}")
        compopt -o nospace 2>/dev/null
        return
        ;;
    --filter | --rate-limit | --rotate | --duration | -c | --count | --ring | \
        --batch | --batch-sleep | --deadline | --stats-interval)
        return
        ;;
    esac
    case $prev in
    -w | --write | -r | --read | --metrics | --output-file | --guard | --sim)
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur"
            compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null
        return
        ;;
    esac
    [ -n "$words" ] || words=$options
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _vmi_agent vmi-agent
