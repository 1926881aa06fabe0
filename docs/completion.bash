# Completion for bash: `source docs/completion.bash`, or copy it to /usr/share/bash-completion/completions/tierhost.
_tierhost() {
    local commands='up down demo status events story check call worker-restart worker-stop worker-release reload'
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' index
    for ((index = 1; index < COMP_CWORD; index++)); do
        case " $commands " in *" ${COMP_WORDS[index]} "*) command=${COMP_WORDS[index]} && break ;; esac
    done
    local root=()
    for ((index = 1; index < COMP_CWORD; index++)); do
        [ "${COMP_WORDS[index]}" = --root ] && root=(--root "${COMP_WORDS[index + 1]}")
    done
    case "$before:$command" in
        --root:* | --config:* | --drivers:*) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
        --format:*) mapfile -t COMPREPLY < <(compgen -W 'table plain json' -- "$word") ;;
        *:) mapfile -t COMPREPLY < <(compgen -W "--root --quiet --version --help $commands" -- "$word") ;;
        *:worker-* | *:reload | *:story)
            mapfile -t COMPREPLY < <(compgen -W "$(tierhost "${root[@]}" status --format plain 2>/dev/null | cut -f 2)" -- "$word")
            ;;
        *) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    esac
}
complete -o filenames -F _tierhost tierhost
