fn main() {
    fn argument<T: spakky::testing::TestArgument>() {}
    argument::<i64>();
}
