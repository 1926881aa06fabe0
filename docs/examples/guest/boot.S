# A guest of 512 bytes: boots under SeaBIOS, says GUEST-UP on its first serial port, then reads a sector of its disk and
# writes it back about once a second ('.' good, 'R' read error, 'W' write error), and obeys the ACPI power button.
#
#   as --32 boot.S -o boot.o && ld -m elf_i386 -Ttext 0x7c00 --oformat binary -e _start boot.o -o boot.bin

        .set    TICKS, 18               # of the BIOS clock (18.2 Hz) between two disk accesses
        .set    PORT, 0x3f8
        .set    PM_STATUS, 0x600        # where SeaBIOS puts the power management block of PIIX4 and ICH9
        .set    BUFFER, 0x8000

        .code16
        .globl  _start
_start: cli
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $0x7c00, %sp
        mov     %dl, boot_drive
        sti
        mov     $hello, %si
        call    say
        mov     $PM_STATUS + 2, %dx     # let the power button set its status bit
        mov     $0x100, %ax
        out     %ax, %dx

wait:   mov     $PM_STATUS, %dx
        in      %dx, %ax
        test    $1, %ah
        jnz     power_off
        hlt
        decb    left
        jnz     wait
        movb    $TICKS, left
        mov     $0x0201, %ax            # read one sector
        mov     $'R', %bl
        call    access
        jc      tell
        mov     $0x0301, %ax            # write it back
        mov     $'W', %bl
        call    access
        jc      tell
        mov     $'.', %bl
tell:   mov     %bl, %al
        call    put
        jmp     wait

access: push    %bx
        mov     $BUFFER, %bx
        mov     $0x0002, %cx            # cylinder 0, sector 2
        xor     %dh, %dh
        mov     boot_drive, %dl
        int     $0x13
        pop     %bx
        ret

power_off:
        mov     $bye, %si
        call    say
        mov     $PM_STATUS + 4, %dx     # sleep type 0 = soft off, sleep enable
        mov     $0x2000, %ax
        out     %ax, %dx
stop:   hlt
        jmp     stop

say:    lodsb
        test    %al, %al
        jz      said
        call    put
        jmp     say
put:    mov     $PORT, %dx
        out     %al, %dx
said:   ret

hello:  .asciz  "GUEST-UP\n"
bye:    .asciz  "POWERDOWN\n"
left:   .byte   1
boot_drive:
        .byte   0
        .org    510
        .word   0xaa55
