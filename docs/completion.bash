# Completion for bash: `source docs/completion.bash`, or copy it to /usr/share/bash-completion/completions/tierhost.
_tierhost() {
    local commands='up down demo drill status events story check call worker-restart worker-stop worker-release reload remote-key'
    local -A options=(
        [up]='--flat --detach --drivers --config' [down]='--save --leave-guests --deadline' [demo]='--keep'
        [status]='--watch --format' [events]='--follow --since --format' [check]='--format' [call]='--deadline --format'
        [worker-restart]='--deadline' [worker-stop]='--deadline' [worker-release]='--deadline' [reload]='--deadline'
        [remote-key]='--deadline --format'
    )
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' index
    local root=()
    for ((index = 1; index < COMP_CWORD; index++)); do
        if [ "${COMP_WORDS[index]}" = --root ]; then
            root=(--root "${COMP_WORDS[++index]}")
        elif [[ " $commands " == *" ${COMP_WORDS[index]} "* ]]; then
            command=${COMP_WORDS[index]} && break
        fi
    done
    case "$before:$command:$word" in
        --root:* | --config:* | --drivers:*) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
        -c:* | --connect:*) mapfile -t COMPREPLY < <(compgen -W 'config:/// tierhost+unix:/// tierhost+tcp://' -- "$word") ;;
        remote-key:remote-key:*)
            mapfile -t COMPREPLY < <(compgen -W 'generate rotate commit delete list allow revoke allowed' -- "$word")
            ;;
        --format:*) mapfile -t COMPREPLY < <(compgen -W 'table plain json' -- "$word") ;;
        *::*) mapfile -t COMPREPLY < <(compgen -W "--root --connect --quiet --version --help $commands" -- "$word") ;;
        *:-*) mapfile -t COMPREPLY < <(compgen -W "${options[$command]} --help" -- "$word") ;;
        *:worker-*:* | *:reload:* | *:story:*)
            mapfile -t COMPREPLY < <(compgen -W "$(tierhost "${root[@]}" status --format plain 2>/dev/null | cut -f 2)" -- "$word")
            ;;
        *:call:@*) mapfile -t COMPREPLY < <(compgen -f -P @ -- "${word#@}") ;;
        *) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    esac
}
complete -o filenames -F _tierhost tierhost
